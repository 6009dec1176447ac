import { type Command, Option } from "commander";
import { MeterstormError, messageOf } from "../base/errors.js";
import { loadConfig } from "../config/load.js";
import { EXIT_CODES } from "../doctor/diagnosis.js";
import { examine } from "../doctor/examine.js";
import type { CommandIo } from "./check.js";
import { diagnosisText } from "./doctor-text.js";

export interface DoctorArguments {
  config?: string;
  json?: boolean;
}

const HELP = `
Reads everything in the data directory, recomputes what a start would, and says what is there, what is whole and what a
start would do. Changes nothing. While an engine runs in the directory a start is not tried.
With --config also: whether the configuration fits, and the journal's budget. The store itself is not asked.
Exit code: 0, all is whole; 1, it could not be looked at; 2, there is damage with which a start goes on, and each finding
says what is lost, if anything; 3, a start would refuse, and the finding says what to do.

Examples:
  meterstorm doctor ./data
  meterstorm doctor --config meterstorm.json
  meterstorm doctor --config meterstorm.json --json`;

/** Adds `meterstorm doctor` to the program. */
export function addDoctorCommand(program: Command, io: CommandIo): void {
  program
    .command("doctor")
    .argument("[directory]", "the data directory (default: the configuration's, else ./data)")
    .description("say what is in a data directory, what is whole, and what a start would do")
    .addOption(new Option("--config <file>", "the configuration whose data directory is looked at"))
    .option("--json", "print the diagnosis as JSON")
    .addHelpText("after", HELP)
    .action(async (directory: string | undefined, given: DoctorArguments) => {
      process.exitCode = await runDoctor(directory, given, io);
    });
}

/** Returns the exit code. */
export async function runDoctor(directory: string | undefined, given: DoctorArguments, io: CommandIo): Promise<number> {
  if (directory !== undefined && given.config !== undefined) {
    io.err(
      "doctor_options: a directory and --config were given; the configuration names its own directory, so give one of the two",
    );
    return 1;
  }
  try {
    const config = given.config === undefined ? null : { config: loadConfig(given.config), file: given.config };
    const diagnosis = await examine({ directory: config?.config.dataDir ?? directory ?? "./data", config });
    for (const line of given.json === true ? [JSON.stringify(diagnosis, null, 2)] : diagnosisText(diagnosis)) io.out(line);
    return EXIT_CODES[diagnosis.verdict];
  } catch (error) {
    io.err(error instanceof MeterstormError ? `${error.code}: ${error.message}` : messageOf(error));
    return 1;
  }
}
