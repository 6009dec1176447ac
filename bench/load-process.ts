import { spawn } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { LoadReport } from "../engine/load/report.js";
import { type BenchSize, keyOf, loadArguments } from "./fleet.js";

/** The engine's commands, as compiled beside this file. */
export const mainFile = fileURLToPath(new URL("../engine/main.js", import.meta.url));

/** Runs the load test in a process of its own and returns its report. Throws with its words when it was not in order. */
export async function loadProcess(size: BenchSize, url: string, format: "binary" | "text", folder: string): Promise<LoadReport> {
  const tokens = writeTokens(folder, size.clients);
  const json = join(folder, "load.json");
  rmSync(json, { force: true });
  const settings = [
    "--url",
    url,
    "--token-file",
    tokens,
    "--format",
    format,
    "--verify",
    "none",
    "--patience",
    "2m",
    "--json",
    json,
  ];
  const { code, words } = await runLoad([...settings, ...loadArguments(size)]);
  if (code !== 0) throw new Error(`the load test ended with ${code}:\n${words}`);
  return JSON.parse(readFileSync(json, "utf8")) as LoadReport;
}

/** A file with a token of each client, for the load command. */
export function writeTokens(folder: string, clients: number): string {
  const tokens = join(folder, "tokens");
  writeFileSync(tokens, Array.from({ length: clients }, (_, client) => keyOf(client).token).join("\n"));
  return tokens;
}

/** Runs the load command; it ends with this process at the latest. `words` is the end of what it said. */
export async function runLoad(args: readonly string[]): Promise<{ code: number | null; words: string }> {
  const child = spawn(process.execPath, [mainFile, "load", ...args], { stdio: ["ignore", "ignore", "pipe"] });
  let words = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    words = (words + text).slice(-2000);
  });
  const end = () => child.kill("SIGKILL");
  process.once("exit", end);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("close", resolve);
    child.once("error", reject);
  }).finally(() => process.removeListener("exit", end));
  return { code, words };
}
