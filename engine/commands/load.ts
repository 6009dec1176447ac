import { readFileSync, writeFileSync } from "node:fs";
import { type Command, InvalidArgumentError, Option } from "commander";
import { type Clock, systemClock } from "../base/clock.js";
import { MeterstormError, messageOf } from "../base/errors.js";
import type { LoadOptions } from "../load/options.js";
import { progressText, progressView } from "../load/progress.js";
import { formatReport, reportOf } from "../load/report.js";
import { type LoadRun, runLoad } from "../load/run.js";
import { type Verification, verifyLoad } from "../load/verification.js";
import { amount, collect, durationMs, instantMs, tokensOf } from "./arguments.js";

interface LoadArguments {
  url: string;
  token: string[];
  tokenFile?: string;
  readToken: string[];
  dataloggers: number;
  meters: number;
  rate?: number;
  duration?: number;
  count?: number;
  format: "binary" | "text";
  textForm: "object" | "array";
  frameReadings?: number;
  seed: number;
  name?: string;
  start?: number;
  interval?: number;
  verify: LoadOptions["verify"];
  deltas: boolean;
  patience: number;
  verifyWithin: number;
  json?: string;
}

const HELP = `
Exit code: 0 when every reading sent was acked and every acked one that was read back is there once,
unchanged; 1 when not; 2 when the test could not be run.
Tokens may also come from the environment: METERSTORM_TOKEN.`;

/** Adds `meterstorm load` to the program. */
export function addLoadCommand(program: Command): void {
  program
    .command("load")
    .description("send readings of many dataloggers, then check that each acked one is stored once")
    .option("--url <url>", "the engine's address", "ws://127.0.0.1:8080")
    .option("--token <token>", "a token to send with; repeat it for more tenants", collect, [])
    .option("--token-file <file>", "tokens, one a line")
    .option("--read-token <token>", "a token to read back with, one for each that sends (default: the same)", collect, [])
    .option("--dataloggers <n>", "dataloggers, dealt out to the tenants in turn", amount, 10)
    .option("--meters <n>", "meters of each datalogger", amount, 100)
    .option("--rate <n>", "readings a second of all together (default: as fast as they are taken)", amount)
    .option("--duration <time>", "how long to send, such as 30s or 5m (default 10s, unless --count is given)", durationMs)
    .option("--count <n>", "how many readings to send", amount)
    .addOption(new Option("--format <format>", "frames").choices(["binary", "text"]).default("binary"))
    .addOption(new Option("--text-form <form>", "how text frames write a reading").choices(["object", "array"]).default("object"))
    .option("--frame-readings <n>", "readings a frame (default: what fits, or ten frames a second with --rate)", amount)
    .option("--seed <n>", "chooses the values and the sample", amount, 1)
    .option("--name <name>", "begins the ids of dataloggers and meters (default: one that no other run has)")
    .option("--start <instant>", "time of the first reading (default: now with --rate, else 2024-01-01)", instantMs)
    .option("--interval <time>", "between two readings of a meter (default: by --rate, else 5m)", durationMs)
    .option("--verify <meters>", "how many meters to read back: all, none or a number", verifyCount, 1000)
    .option("--no-deltas", "compare only values: the meters are not plain counters with 3 decimals")
    .option("--patience <time>", "give up when no ack has come for so long", durationMs, 30_000)
    .option("--verify-within <time>", "how long the store may take to show what was acked", durationMs, 60_000)
    .option("--json <file>", "write the report as JSON too")
    .addHelpText("after", HELP)
    .action(async (given: LoadArguments) => {
      process.exitCode = await load(given);
    });
}

function verifyCount(text: string): LoadOptions["verify"] {
  if (text === "all" || text === "none") return text;
  if (/^\d+$/.test(text) && Number(text) > 0) return Number(text);
  throw new InvalidArgumentError("all, none or a number above 0 is allowed.");
}

function optionsOf(given: LoadArguments): LoadOptions {
  const tokens = [...given.token, ...(given.tokenFile === undefined ? [] : tokensOf(readFileSync(given.tokenFile, "utf8")))];
  const { METERSTORM_TOKEN: fromEnvironment } = process.env;
  if (tokens.length === 0 && fromEnvironment !== undefined) tokens.push(fromEnvironment);
  if (tokens.length === 0) {
    throw new MeterstormError("load_options", "no token was given; pass --token, --token-file or METERSTORM_TOKEN");
  }
  if (given.readToken.length > 0 && given.readToken.length !== tokens.length) {
    throw new MeterstormError(
      "load_options",
      `${given.readToken.length} --read-token for ${tokens.length} tokens; give one for each, or none`,
    );
  }
  return {
    url: given.url,
    tokens,
    readTokens: given.readToken,
    dataloggers: given.dataloggers,
    metersPerDatalogger: given.meters,
    readingsPerSecond: given.rate ?? null,
    durationMs: given.duration ?? (given.count === undefined ? 10_000 : null),
    readings: given.count ?? null,
    format: given.format,
    textForm: given.textForm,
    frameReadings: given.frameReadings ?? null,
    seed: given.seed,
    name: given.name ?? null,
    startMs: given.start ?? null,
    intervalMs: given.interval ?? null,
    verify: given.verify,
    deltas: given.deltas,
    patienceMs: given.patience,
    verifyWithinMs: given.verifyWithin,
  };
}

async function readBack(options: LoadOptions, run: LoadRun, clock: Clock): Promise<Verification | null> {
  const view = progressView(process.stderr, "reading back");
  const show = (meters: number, of: number) => view.show(meters / of, `${meters} of ${of} meters`);
  return verifyLoad(options, run, clock, show).finally(() => view.end());
}

/** Returns the exit code. */
async function load(given: LoadArguments): Promise<number> {
  const interrupt = new AbortController();
  const onInterrupt = () => interrupt.abort();
  process.once("SIGINT", onInterrupt);
  try {
    const options = optionsOf(given);
    const clock = systemClock;
    const sending = progressView(process.stderr, "sending");
    const run = await runLoad(options, {
      clock,
      random: Math.random,
      signal: interrupt.signal,
      onProgress: (progress) => sending.show(progress.done, progressText(progress)),
    }).finally(() => sending.end());
    process.removeListener("SIGINT", onInterrupt);
    const verification = options.verify === "none" ? null : await readBack(options, run, clock);
    const report = reportOf(options, run, verification);
    process.stdout.write(`${formatReport(report)}\n`);
    if (given.json !== undefined) writeFileSync(given.json, `${JSON.stringify(report, null, 2)}\n`);
    return report.ok ? 0 : 1;
  } catch (error) {
    process.stderr.write(`${error instanceof MeterstormError ? `${error.code}: ` : ""}${messageOf(error)}\n`);
    return 2;
  } finally {
    process.removeListener("SIGINT", onInterrupt);
  }
}
