#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command, Option } from "commander";
import { packageRoot } from "./base/package-root.js";
import { runCheck } from "./commands/check.js";
import { addDoctorCommand } from "./commands/doctor.js";
import { addExplainCommand } from "./commands/explain.js";
import { runKeyCreate } from "./commands/key.js";
import { addLoadCommand } from "./commands/load.js";
import { addReplayCommand } from "./commands/replay.js";
import { addRulesCommand } from "./commands/rules.js";
import { addServeCommand } from "./commands/serve.js";
import { addWebhooksCommand } from "./commands/webhooks.js";
import { ROLES, type Role } from "./config/schema.js";

const io = {
  out: (line: string) => process.stdout.write(`${line}\n`),
  err: (line: string) => process.stderr.write(`${line}\n`),
};

const { version } = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as { version: string };
const program = new Command("meterstorm")
  .description("deltas, consumption and alerts from energy meters that never stop sending")
  .version(version);
addServeCommand(program);
program
  .command("check")
  .description("validate a configuration and print every fault with its path and a remedy")
  .argument("<file>", "configuration")
  .action(async (file: string) => {
    process.exitCode = await runCheck(file, io);
  });
program
  .command("key")
  .description("tokens")
  .command("create")
  .description("print a token once, and the hashed line for the configuration")
  .requiredOption("--tenant <id>", "the client that it belongs to")
  .addOption(new Option("--role <role>", "what it may do").choices(ROLES).makeOptionMandatory())
  .option("--id <id>", "the key's id (default: a random one)")
  .action((args: { tenant: string; role: Role; id?: string }) => {
    process.exitCode = runKeyCreate(args, io);
  });
addLoadCommand(program);
addReplayCommand(program);
addExplainCommand(program, io);
addRulesCommand(program, io);
addDoctorCommand(program, io);
addWebhooksCommand(program, io);
await program.parseAsync();
