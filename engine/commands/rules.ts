import type { Command } from "commander";
import { calendarFor } from "../base/calendar.js";
import { systemClock } from "../base/clock.js";
import { MeterstormError, messageOf } from "../base/errors.js";
import { limits } from "../base/limits.js";
import { isDate, startOfDate } from "../base/local-date.js";
import type { TenantPlan } from "../base/settings.js";
import { loadConfig } from "../config/load.js";
import { parseInstantMs } from "../config/quantity.js";
import type { Config } from "../config/schema.js";
import { tenantPlans } from "../config/tenants.js";
import { progressView } from "../load/progress.js";
import { ApiHistory } from "../rules-test/api-history.js";
import type { History } from "../rules-test/history.js";
import { runRules } from "../rules-test/run.js";
import { openStoreHistory } from "../rules-test/store-history.js";
import type { CommandIo } from "./check.js";
import { type RulesReport, rulesJson, rulesText } from "./rules-text.js";

export interface RulesTestArguments {
  config: string;
  tenant?: string;
  rule?: string;
  meter: string;
  from?: string;
  to?: string;
  url?: string;
  token?: string;
  json?: boolean;
}

const HELP = `
Runs the rules of FILE over what is stored, with the code that judges live readings, as if each reading
had arrived at its own instant, and prints the incidents that they would have raised. Nothing is written
and nobody is notified.
The history is read from the store that FILE names; the embedded store lets nobody else read while an
engine runs, which is then asked with --url. An incident that was open when the range begins is listed too.
A date for --from or --to is midnight at its beginning, in the client's time zone.
Exit code: 0, with incidents or without; 1 when FILE or what was asked for is at fault; 2 when the history
could not be read.

Examples:
  meterstorm rules test --config meterstorm.json --from 2026-03-01 --to 2026-04-01
  meterstorm rules test --config meterstorm.json --rule night-load --meter 'main-*' --from 2026-03-28T20:00:00Z
  meterstorm rules test --config edited.json --tenant acme --url http://127.0.0.1:8080 --token $TOKEN --json`;

/** Adds `meterstorm rules` to the program. */
export function addRulesCommand(program: Command, io: CommandIo): void {
  program
    .command("rules")
    .description("alert rules")
    .command("test")
    .description("run the rules of a configuration over stored history and print the incidents they would have raised")
    .requiredOption("--config <file>", "the configuration whose rules, meters and store are used")
    .option("--tenant <id>", "the client (default: each that has rules; with --url the token's)")
    .option("--rule <id>", "only this rule")
    .option("--meter <glob>", "only meters whose id matches", "*")
    .option("--from <instant>", "where the range begins: RFC 3339, a date, or epoch milliseconds (default: the oldest reading)")
    .option("--to <instant>", "where it ends, itself not included (default: now)")
    .option("--url <url>", "ask a running engine instead of the store")
    .option("--token <token>", "with --url: a token of role read or admin (default: METERSTORM_TOKEN)")
    .option("--json", "print the incidents as JSON")
    .addHelpText("after", HELP)
    .action(async (given: RulesTestArguments) => {
      process.exitCode = await runRulesTest(given, io);
    });
}

/** What is wrong with the request itself, and no fault of a store. */
const OWN_FAULT = /^(?:config_|rules_options|history_missing|history_refused)/;

/** Returns the exit code. */
export async function runRulesTest(given: RulesTestArguments, io: CommandIo, nowMs = systemClock.nowMs()): Promise<number> {
  try {
    const config = loadConfig(given.config);
    const token = tokenOf(given);
    const plans = chosenPlans(config, given, token);
    const ranges = plans.map((plan) => rangeOf(plan, given, nowMs));
    const history = given.url === undefined ? await openStoreHistory(config) : new ApiHistory(given.url, token ?? "");
    const reports: RulesReport[] = [];
    try {
      for (const [i, plan] of plans.entries()) reports.push(await reportOf(plan, history, given.meter, ranges[i]!));
    } finally {
      await history.close();
    }
    if (given.json === true) io.out(rulesJson(reports));
    else for (const report of reports) for (const line of rulesText(report)) io.out(line);
    return 0;
  } catch (error) {
    if (!(error instanceof MeterstormError)) throw error;
    io.err(`${error.code}: ${messageOf(error)}`);
    return OWN_FAULT.test(error.code) ? 1 : 2;
  }
}

function wrong(message: string): MeterstormError {
  return new MeterstormError("rules_options", message);
}

function tokenOf({ url, token }: RulesTestArguments): string | null {
  if (url === undefined) return null;
  const { METERSTORM_TOKEN: fromEnvironment } = process.env;
  const found = token ?? fromEnvironment;
  if (found === undefined) throw wrong("--url needs a token; pass --token or set METERSTORM_TOKEN");
  return found;
}

/** The clients whose rules are run, each with those rules alone that were asked for. */
function chosenPlans(config: Config, { tenant, rule }: RulesTestArguments, token: string | null): TenantPlan[] {
  const all = tenantPlans(config);
  const owner = token?.split(".")[0];
  if (owner !== undefined && tenant !== undefined && owner !== tenant)
    throw wrong(`the token is of the client "${owner}", and --tenant is "${tenant}"; give a token of that client`);
  const wanted = tenant ?? owner;
  const chosen = wanted === undefined ? all.filter(({ rules }) => rules.length > 0) : all.filter(({ id }) => id === wanted);
  if (wanted !== undefined && chosen.length === 0)
    throw wrong(`the configuration has no client "${wanted}"; it has ${all.map(({ id }) => `"${id}"`).join(", ")}`);
  const plans = chosen
    .map((plan) => ({ ...plan, rules: plan.rules.filter(({ id }) => rule === undefined || id === rule) }))
    .filter(({ rules }) => rules.length > 0);
  if (plans.length > 0) return plans;
  const known = chosen.flatMap(({ rules }) => rules.map(({ id }) => `"${id}"`));
  if (known.length === 0) throw wrong("there are no rules; write one into the configuration's tenants[].rules");
  throw wrong(`there is no rule "${rule}"; there are ${known.join(", ")}`);
}

function rangeOf(plan: TenantPlan, given: RulesTestArguments, nowMs: number): { from: number; to: number } {
  const from = Math.max(limits.minTsMs, instantOf("--from", given.from, plan, limits.minTsMs));
  // What time alone decides is not decided before the time has come.
  const to = Math.min(nowMs, instantOf("--to", given.to, plan, nowMs));
  if (from >= to) throw wrong(`--from (${time(from)}) must lie before --to (${time(to)}, now at the latest)`);
  return { from, to };
}

function instantOf(name: string, text: string | undefined, plan: TenantPlan, otherwise: number): number {
  if (text === undefined) return otherwise;
  if (isDate(text)) {
    // Before and behind those years nothing is stored, so it does not matter where the zone puts midnight.
    return /^20\d\d-/.test(text) ? startOfDate(calendarFor(plan.timezone), text) : Date.parse(text);
  }
  const ms = parseInstantMs(/^\d{12,14}$/.test(text) ? Number(text) : text);
  if (ms !== undefined) return ms;
  throw wrong(`${name} is "${text}"; give an instant such as 2026-01-01T00:00:00Z, a date, or epoch milliseconds`);
}

function time(ms: number): string {
  return new Date(ms).toISOString();
}

async function reportOf(
  plan: TenantPlan,
  history: History,
  meters: string,
  range: { from: number; to: number },
): Promise<RulesReport> {
  const view = process.stderr.isTTY ? progressView(process.stderr, "running rules") : null;
  try {
    const result = await runRules({
      ...{ plan, history, meters, ...range },
      onMeter: (done, of) => view?.show(done / of, `${done} of ${of} meters`),
    });
    return { plan, ...range, ...result };
  } finally {
    view?.end();
  }
}
