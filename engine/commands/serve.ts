import { type Command, Option } from "commander";
import pino from "pino";
import { MeterstormError } from "../base/errors.js";
import { loadConfig } from "../config/load.js";
import { type Engine, startEngine } from "../engine.js";
import { reread } from "./reread.js";

interface ServeArguments {
  config?: string;
  dataDir?: string;
  logLevel: string;
}

const HELP = `
Without --config: the embedded store in ./data, one client "demo" whose token is printed once.
Ends with 0 after SIGTERM or SIGINT, with 1 when it cannot start or go on; the last line says why.
SIGHUP reads the configuration again: tenants, keys, limits, meters, rules and webhooks are in force at once, and a file
with faults changes nothing. What only a restart changes is named in the log.

Examples:
  meterstorm serve
  meterstorm serve --config meterstorm.json`;

/** Adds `meterstorm serve` to the program. */
export function addServeCommand(program: Command): void {
  program
    .command("serve")
    .description("run the engine")
    .option("--config <file>", "configuration (default: embedded store, one demo client)")
    .option("--data-dir <folder>", "data directory when there is no configuration", "./data")
    .addOption(
      new Option("--log-level <level>", "how much is logged").choices(["debug", "info", "warn", "error"]).default("info"),
    )
    .addHelpText("after", HELP)
    .action(serve);
}

async function serve(args: ServeArguments): Promise<void> {
  const log = pino({ level: args.logLevel, base: null });
  let engine: Engine | null = null;
  let again = false;
  // Before anything else: a signal that nobody takes would end the process.
  process.on("SIGHUP", () => {
    if (engine === null) again = true;
    else void reread(args.config ?? null, engine, log);
  });
  try {
    const config = loadConfig(args.config ?? null, { dataDir: args.dataDir ?? "./data" });
    engine = await startEngine(config, { log, withoutStore: withoutStore() });
  } catch (error) {
    if (!(error instanceof MeterstormError)) throw error;
    log.fatal({ code: error.code }, error.message);
    process.exitCode = 1;
    return;
  }
  const running: Engine = engine;
  const end = (signal: string) => {
    log.info({ signal }, "draining");
    running.close().then(
      () => process.exit(0),
      (error: unknown) => {
        log.fatal({ err: error }, "the shutdown failed");
        process.exit(1);
      },
    );
  };
  process.once("SIGTERM", end);
  process.once("SIGINT", end);
  // Whoever reads this line may end the engine at once, politely.
  log.info({ url: running.url }, "listening");
  if (again) void reread(args.config ?? null, running, log);
  await running.failed;
  await running.close();
  process.exit(1);
}

/** A store that swallows every row exists for measuring only, so no configuration can ask for it. */
function withoutStore(): boolean {
  return process.env["METERSTORM_BENCH"] === "1" && process.env["METERSTORM_BENCH_STORE"] === "none";
}
