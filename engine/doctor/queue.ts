import { readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { MeterstormError, messageOf } from "../base/errors.js";
import { nodeDisk } from "../base/node-disk.js";
import { foldRecords } from "../notify/queue-state.js";
import { recoverQueue } from "../notify/recovery.js";
import type { Finding, QueueFindings } from "./diagnosis.js";

const DEAD_LETTERS = /^dead-letters-\d{6}\.jsonl$/;

/** What waits for webhooks, read as a start reads it. Changes nothing. */
export async function examineQueue(directory: string): Promise<{ queue: QueueFindings; findings: Finding[] }> {
  const folder = join(directory, "notify");
  const queue: QueueFindings = { version: null, waiting: 0, webhooks: {}, deadLetters: 0, newestDeadLetter: null };
  const findings: Finding[] = [];
  const say = (level: Finding["level"], code: string, text: string) =>
    findings.push({ level, code, shard: null, file: "notify", text });
  try {
    const { records, damaged } = await recoverQueue(nodeDisk, folder);
    const header = records.find(({ k }) => k === "file");
    if (header?.k === "file") queue.version = header.version;
    const { entries } = foldRecords(records);
    queue.waiting = entries.size;
    for (const { to } of entries.values())
      for (const webhook of to.keys()) queue.webhooks[webhook] = (queue.webhooks[webhook] ?? 0) + 1;
    if (damaged > 0) {
      const text = `${count(damaged, "line")} of what waits for webhooks is damaged: a start goes on with the others, and transitions that stood there may not reach their webhooks; they are in the store`;
      say("loss", "notify_damaged", text);
    }
    readDeadLetters(folder, await names(folder), queue);
  } catch (error) {
    const isOurs = error instanceof MeterstormError;
    say(
      "refusal",
      isOurs ? error.code : "data_dir_unwritable",
      isOurs ? error.message : `${folder} cannot be read: ${messageOf(error)}`,
    );
  }
  return { queue, findings };
}

function readDeadLetters(folder: string, files: readonly string[], queue: QueueFindings): void {
  for (const name of files) {
    if (!DEAD_LETTERS.test(name)) continue;
    for (const line of readFileSync(join(folder, name), "utf8").split("\n")) {
      if (line === "") continue;
      queue.deadLetters++;
      queue.newestDeadLetter = timeIn(line) ?? queue.newestDeadLetter;
    }
  }
}

/** The last line may have been cut short, and any line may be damaged. */
function timeIn(line: string): string | null {
  try {
    const { at } = JSON.parse(line) as { at?: unknown };
    return typeof at === "string" ? at : null;
  } catch {
    return null;
  }
}

async function names(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch {
    return [];
  }
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}
