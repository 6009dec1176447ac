import { basename, extname } from "node:path";
import { type Command, Option } from "commander";
import { systemClock } from "../base/clock.js";
import { MeterstormError, messageOf } from "../base/errors.js";
import { progressView } from "../load/progress.js";
import { type ReplayOptions, replay } from "../load/replay.js";
import { amount, durationMs } from "./arguments.js";

interface ReplayArguments {
  url: string;
  token?: string;
  datalogger: string;
  meter?: string;
  as: "counter" | "interval";
  interval: number;
  format: ReplayOptions["format"];
  frameReadings: number;
  mixed: boolean;
  seed: number;
  rate?: number;
  state?: string;
  restart: boolean;
}

const HELP = `
The first line names the columns: ts,value or meter,ts,value or start,energy. Times are RFC 3339 with
an offset or epoch milliseconds. An interrupted replay goes on where the last one was acked.
Exit code: 0 when every reading was taken; 1 when some were rejected or it was interrupted; 2 when it failed.`;

/** Adds `meterstorm replay` to the program. */
export function addReplayCommand(program: Command): void {
  program
    .command("replay")
    .argument("<file.csv>", "the readings")
    .description("stream a CSV file of readings as a datalogger would")
    .option("--url <url>", "the engine's address", "ws://127.0.0.1:8080")
    .option("--token <token>", "a token of role ingest or admin (default: METERSTORM_TOKEN)")
    .option("--datalogger <id>", "the datalogger to be", "replay")
    .option("--meter <id>", "the meter of rows that name none (default: the file's name)")
    .addOption(new Option("--as <kind>", "what energy by interval becomes").choices(["counter", "interval"]).default("counter"))
    .option("--interval <time>", "length of the intervals of start,energy", durationMs, 3_600_000)
    .addOption(new Option("--format <format>", "frames").choices(["binary", "text", "both"]).default("binary"))
    .option("--frame-readings <n>", "most readings a frame", amount, 500)
    .option("--mixed", "frames of every size up to that", false)
    .option("--seed <n>", "chooses the sizes of --mixed", amount, 1)
    .option("--rate <n>", "most readings a second", amount)
    .option("--state <file>", "where it is remembered how far it is (default: beside the file)")
    .option("--restart", "begin with the first row again", false)
    .addHelpText("after", HELP)
    .action(async (file: string, given: ReplayArguments) => {
      process.exitCode = await run(file, given);
    });
}

/** Returns the exit code. */
async function run(file: string, given: ReplayArguments): Promise<number> {
  const interrupt = new AbortController();
  const onInterrupt = () => interrupt.abort();
  process.once("SIGINT", onInterrupt);
  const rejects = new Map<string, number>();
  try {
    const { METERSTORM_TOKEN: fromEnvironment } = process.env;
    const token = given.token ?? fromEnvironment;
    if (token === undefined)
      throw new MeterstormError("replay_options", "no token was given; pass --token or set METERSTORM_TOKEN");
    const view = progressView(process.stderr, "replaying");
    const options: ReplayOptions = {
      file,
      url: given.url,
      token,
      datalogger: given.datalogger,
      meter: given.meter ?? basename(file, extname(file)),
      as: given.as,
      intervalMs: given.interval,
      format: given.format,
      frameReadings: given.frameReadings,
      mixed: given.mixed,
      seed: given.seed,
      readingsPerSecond: given.rate ?? null,
      state: given.state ?? `${file}.state.json`,
      restart: given.restart,
    };
    const result = await replay(options, {
      clock: systemClock,
      random: Math.random,
      signal: interrupt.signal,
      onReject: ({ code }) => rejects.set(code, (rejects.get(code) ?? 0) + 1),
      onProgress: ({ bytes, ofBytes, sent, acked }) =>
        view.show(ofBytes === 0 ? 1 : bytes / ofBytes, `sent ${sent}, acked ${acked}`),
    }).finally(() => view.end());
    const resumed = result.resumedRows > 0 ? `, ${result.resumedRows} of them by an earlier run` : "";
    process.stdout.write(
      `${result.rows} rows${resumed}; ${result.sent} readings sent, ${result.acked} acked, ${result.rejected} rejected\n`,
    );
    for (const [code, count] of rejects) process.stdout.write(`rejected as ${code}: ${count}\n`);
    if (!result.complete) process.stdout.write("interrupted; run it again to go on\n");
    return result.complete && result.rejected === 0 ? 0 : 1;
  } catch (error) {
    process.stderr.write(`${error instanceof MeterstormError ? `${error.code}: ` : ""}${messageOf(error)}\n`);
    return 2;
  } finally {
    process.removeListener("SIGINT", onInterrupt);
  }
}
