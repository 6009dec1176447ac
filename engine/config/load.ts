import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import type { z } from "zod";
import { MeterstormError, messageOf } from "../base/errors.js";
import { crossFaults, warningsOf } from "./cross.js";
import { demoConfig } from "./demo.js";
import { describe, type Fault, faultLine, nearest, type Path, pathText, type Warning } from "./fault.js";
import type { FieldIssue } from "./fields.js";
import { parseJson } from "./json.js";
import { type Config, configSchema } from "./schema.js";
import { type RuleConfig, ruleSchema } from "./schema-rules.js";

export type ConfigResult = { config: Config; warnings: Warning[] } | { faults: Fault[] };

/** The configuration in `json`, already read from its text; `source` is the file's name, for the faults of the file as a whole. */
export function parseConfig(json: unknown, source: string): ConfigResult {
  if (typeof json !== "object" || json === null || Array.isArray(json))
    return {
      faults: [
        { path: "", found: `${describe(json)} in ${source}`, allowed: "one JSON object", remedy: "Put the settings in { }." },
      ],
    };
  const result = configSchema.safeParse(json);
  const faults = result.success ? [] : result.error.issues.flatMap((issue) => faultsOf(issue, json));
  faults.push(...crossFaults(json));
  if (!result.success || faults.length > 0) return { faults };
  return { config: result.data, warnings: warningsOf(result.data) };
}

/** As `parseConfig`, from the text of a file. */
export function parseConfigText(text: string, source: string): ConfigResult {
  const json = parseJson(text);
  if (!("value" in json)) return json;
  const result = parseConfig(json.value, source);
  if (json.faults.length === 0) return result;
  return { faults: [...json.faults, ...("faults" in result ? result.faults : [])] };
}

/** One rule as it stands in a configuration, or what is wrong with it; paths begin within the rule. */
export function parseRule(json: unknown): { rule: RuleConfig } | { faults: Fault[] } {
  const result = ruleSchema.safeParse(json);
  return result.success ? { rule: result.data } : { faults: result.error.issues.flatMap((issue) => faultsOf(issue, json)) };
}

export interface LoadOptions {
  /** Where the embedded defaults keep their data; `./data` unless given. Not used with a file. */
  dataDir?: string;
  /** Takes the demo tenant's token, the one time that it is known. */
  announce?: (token: string) => void;
  random?: (bytes: number) => Uint8Array;
}

/**
 * The configuration in the file, or the embedded defaults for `null`.
 * @throws MeterstormError `config_unreadable`: the file cannot be read; `config_invalid`: its message has a line for each fault.
 */
export function loadConfig(path: string | null, options: LoadOptions = {}): Config {
  if (path === null) {
    const { config, token } = demoConfig(options.dataDir ?? "./data", options.random ?? randomBytes);
    if (token !== null) (options.announce ?? announceOnStdout)(token);
    return config;
  }
  const result = parseConfigText(readConfigFile(path), path);
  if ("config" in result) return result.config;
  throw new MeterstormError(
    "config_invalid",
    `${path} is not a valid configuration:\n${result.faults.map(faultLine).join("\n")}`,
  );
}

/** @throws MeterstormError `config_unreadable` */
export function readConfigFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new MeterstormError("config_unreadable", `cannot read the configuration ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function announceOnStdout(token: string): void {
  process.stdout.write(`the demo tenant's token, shown this once: ${token}\n`);
}

function faultsOf(issue: z.core.$ZodIssue, json: unknown): Fault[] {
  const value = at(json, issue.path);
  const path = pathText(issue.path);
  if (issue.code === "custom" && issue.params !== undefined)
    return [fieldFault(issue.path, value, issue.params as unknown as FieldIssue)];
  const allowed = issue.code === "invalid_type" ? (issue.expected === "array" ? "an array" : "an object") : issue.message;
  const remedy = value === undefined ? "Add it." : `Put ${allowed} there.`;
  return [{ path, found: describe(value), allowed, remedy }];
}

function fieldFault(path: Path, value: unknown, issue: FieldIssue): Fault {
  const fault = {
    path: pathText(path),
    found: issue.found ?? describe(value, issue.secret),
    allowed: issue.allowed,
    remedy: issue.remedy,
  };
  const name = String(path.at(-1));
  if (issue.allowed === issue.names?.join(", ")) {
    fault.found = `the unknown name ${describe(name)}`;
    fault.remedy = didYouMean(name, issue.names) ?? fault.remedy;
  } else if (typeof value === "string" && issue.names !== undefined) {
    const meant = didYouMean(value, issue.names);
    if (meant !== null) fault.remedy = `${meant} ${fault.remedy}`;
  }
  return fault;
}

function didYouMean(name: string, names: readonly string[]): string | null {
  const meant = nearest(name, names);
  return meant === null ? null : `Did you mean ${JSON.stringify(meant)}?`;
}

function at(json: unknown, path: Path): unknown {
  let value: unknown = json;
  for (const part of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[part];
  }
  return value;
}
