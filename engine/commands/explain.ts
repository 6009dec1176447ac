import { type Command, Option } from "commander";
import { messageOf } from "../base/errors.js";
import type { Explanation } from "../base/explanation.js";
import type { CommandIo } from "./check.js";
import { explanationText } from "./explain-text.js";

export interface ExplainArguments {
  period: string;
  ts: string;
  url: string;
  token?: string;
  json?: boolean;
}

const PERIODS = ["reading", "quarter", "hour", "day", "month"];
const ANSWER_WITHIN_MS = 30_000;

const HELP = `
Prints the readings, shares and rules behind the figure, and how they add up to it.
Exit code: 0; 1 when there is no such figure or it could not be asked for, with the reason.

Examples:
  meterstorm explain main-1 --period day --ts 2026-03-29
  meterstorm explain main-1 --period hour --ts 2026-03-29T10:00:00+02:00
  meterstorm explain main-1 --period month --ts 2026-03
  meterstorm explain main-1 --ts 2026-03-29T08:15:00Z     (the delta of that reading)`;

/** Adds `meterstorm explain` to the program. */
export function addExplainCommand(program: Command, io: CommandIo): void {
  program
    .command("explain")
    .argument("<meter>", "the meter's id")
    .description("say what lies behind a figure: readings, shares, rules and their sum")
    .addOption(new Option("--period <period>", "which figure").choices(PERIODS).default("reading"))
    .requiredOption("--ts <instant>", "an instant in the period, or its local date; the reading's own instant")
    .option("--url <url>", "the engine's address", "http://127.0.0.1:8080")
    .option("--token <token>", "a token of role read or admin (default: METERSTORM_TOKEN)")
    .option("--json", "print the answer as JSON")
    .addHelpText("after", HELP)
    .action(async (meter: string, given: ExplainArguments) => {
      process.exitCode = await runExplain(meter, given, io);
    });
}

/** Returns the exit code. */
export async function runExplain(meter: string, given: ExplainArguments, io: CommandIo): Promise<number> {
  const { METERSTORM_TOKEN: fromEnvironment } = process.env;
  const token = given.token ?? fromEnvironment;
  if (token === undefined) {
    io.err("explain_options: no token was given; pass --token or set METERSTORM_TOKEN");
    return 1;
  }
  const query = new URLSearchParams({ period: given.period, ts: given.ts });
  const base = given.url.replace(/^ws/, "http").replace(/\/+$/, "");
  try {
    const response = await fetch(`${base}/v1/meters/${encodeURIComponent(meter)}/explain?${query}`, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    const answer = (await response.json()) as Explanation | { error: { code: string; message: string } };
    if ("error" in answer) {
      io.err(`${answer.error.code}: ${answer.error.message}`);
      return 1;
    }
    for (const line of given.json === true ? [JSON.stringify(answer, null, 2)] : explanationText(answer)) io.out(line);
    return 0;
  } catch (error) {
    io.err(`unreachable: ${base} did not answer: ${messageOf(error)}`);
    return 1;
  }
}
