import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseRuleBook } from "../../../engine/config/rule-book.js";
import { claimDirectory, knownIdentity, lockOf } from "../../../engine/data-directory.js";
import { examineQueue } from "../../../engine/doctor/queue.js";
import { temporaryDirectory } from "../../support/servers.js";
import { mutateJson } from "../mutate-json.js";
import { bytesOf, orRefusal, type Target, textIn } from "../target.js";

const seeds = [
  '{"format":1,"shards":2,"spread":{"acme":2,"__proto__x":1},"store":"duckdb:0123"}',
  '{"format":2,"generation":3,"shards":1,"spread":{},"store":null}',
  "4194303 1",
  '{"format":1,"tenants":{}}',
].map(bytesOf);

/** Every small file of a data directory holds the input; what the doctor says of it, and what a start does. */
export function open(): Target {
  const directory = temporaryDirectory("fuzz-data");
  const run = async (input: Uint8Array): Promise<void> => {
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(join(directory, "notify"), { recursive: true });
    const files = ["engine.json", "engine.pid", "notify/dead-letters-000001.jsonl", "notify/queue-0000000001.log"];
    for (const name of files) writeFileSync(join(directory, name), input);
    const identity = orRefusal(() => knownIdentity(directory));
    orRefusal(() => parseRuleBook(textIn(input), "rules.json"));
    lockOf(directory);
    const { queue, findings } = await examineQueue(directory);
    assert.ok(Number.isInteger(queue.waiting) && Number.isInteger(queue.deadLetters));
    const { newestDeadLetter } = queue;
    assert.ok(newestDeadLetter === null || typeof newestDeadLetter === "string", "the time of a dead letter is no text");
    for (const { code, text } of findings) assert.ok(code.length > 2 && text.length > 10, code);
    const claim = orRefusal(() => claimDirectory(directory, 2, { acme: 2 }));
    if (claim instanceof Error) return;
    assert.ok(!(identity instanceof Error), "a start takes what it says cannot be read");
    for (const over of Object.values(claim.spread)) assert.equal(typeof over, "number");
    claim.release();
  };
  return { name: "data-directory", seeds, mutate: mutateJson, run, close: () => Promise.resolve() };
}
