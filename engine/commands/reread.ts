import type { Logger } from "pino";
import { MeterstormError, messageOf } from "../base/errors.js";
import { faultLine } from "../config/fault.js";
import { parseConfigText, readConfigFile } from "../config/load.js";
import type { Engine } from "../engine.js";

/** Reads the configuration again and has the engine go on by it; says in the log what became of that. Never rejects. */
export async function reread(file: string | null, engine: Pick<Engine, "reload">, log: Logger): Promise<void> {
  if (file === null) {
    log.warn("SIGHUP: the engine runs without a configuration, so there is nothing to read again");
    return;
  }
  try {
    const result = parseConfigText(readConfigFile(file), file);
    if ("faults" in result) {
      for (const fault of result.faults) log.error({ path: fault.path }, faultLine(fault));
      log.error({ code: "config_invalid" }, `${file} has faults (${result.faults.length}): nothing is changed`);
      return;
    }
    for (const { path, message } of result.warnings) log.warn({ path }, message);
    await engine.reload(result.config);
  } catch (error) {
    const code = error instanceof MeterstormError ? error.code : "internal";
    log.error({ code }, `nothing is changed: ${messageOf(error)}`);
  }
}
