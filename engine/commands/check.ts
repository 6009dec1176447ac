import { messageOf } from "../base/errors.js";
import { faultLine } from "../config/fault.js";
import { parseConfigText, readConfigFile } from "../config/load.js";

/** Where a command prints: results on `out`, what went wrong on `err`. */
export interface CommandIo {
  out(line: string): void;
  err(line: string): void;
}

/** Prints every fault and warning of a configuration. The exit code: 0 valid (warnings or not), 1 not. */
export async function runCheck(file: string, io: CommandIo): Promise<number> {
  let text: string;
  try {
    text = readConfigFile(file);
  } catch (error) {
    io.err(messageOf(error));
    return 1;
  }
  const result = parseConfigText(text, file);
  if ("faults" in result) {
    for (const fault of result.faults) io.err(faultLine(fault));
    io.err(`${file}: ${count(result.faults.length, "fault")}`);
    return 1;
  }
  for (const warning of result.warnings) io.out(`warning: ${warning.path}: ${warning.message}`);
  io.out(`${file}: valid, ${count(result.config.tenants.length, "tenant")}, ${count(result.warnings.length, "warning")}`);
  return 0;
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}
