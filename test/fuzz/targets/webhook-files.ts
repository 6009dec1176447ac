import assert from "node:assert/strict";
import type { AlertTransition } from "../../../engine/base/alert-transition.js";
import { type DeadLetter, DeadLetters } from "../../../engine/notify/dead-letters.js";
import { foldRecords } from "../../../engine/notify/queue-state.js";
import { encodeRecord, type QueueRecord } from "../../../engine/notify/records.js";
import { queueFileName, recoverQueue } from "../../../engine/notify/recovery.js";
import { SimDisk } from "../../support/sim-disk.js";
import { mutateBytes } from "../mutate.js";
import { mutateJson } from "../mutate-json.js";
import { orRefusalLater, type Target } from "../target.js";

function transition(n: number): AlertTransition {
  const [tenant, meter, rule] = [n % 2 === 0 ? "acme" : "other", `m${n}`, "high"];
  const ts = new Date(Date.UTC(2026, 0, 1, n)).toISOString();
  return {
    key: `k${n}`,
    ts,
    tenant,
    meter,
    rule,
    incident: `i${n}`,
    state: "firing",
    severity: "warning",
    value: n,
    threshold: 1,
  };
}

const letters = [0, 1, 2, 3, 4, 5].map(
  (n): DeadLetter => ({
    ...{
      at: `2026-01-01T0${n}:00:00.000Z`,
      reason: "expired",
      webhook: `w${n}`,
      origin: "http://127.0.0.1:1",
      failure: "500",
      heldBack: 0,
    },
    transition: transition(n),
  }),
);
const entry = (id: number): QueueRecord => ({ k: "entry", id, at: id, to: ["w"], transition: transition(id) });
const records: QueueRecord[] = [
  { k: "file", version: 1, generation: 3 },
  { k: "keys", keys: ["a", "b"] },
  { k: "failing", to: "w", attempts: 2, until: 5 },
  ...[entry(1), entry(2)],
  { k: "complete", records: 5 },
  ...[{ k: "safe" } as const, entry(3), { k: "newer", id: 1, by: 3, to: "w" } as const],
  ...[{ k: "safe" } as const, { k: "done", id: 2, to: "w" } as const],
];

const whole = new Set(letters.map((letter) => JSON.stringify(letter)));
const written = new Set(records.map((record) => JSON.stringify(record)));

/** Dead letters: whatever is damaged, each line that is whole is found. The queue: nothing that nobody wrote, for its checksums. */
async function run(input: Uint8Array): Promise<void> {
  const disk = new SimDisk();
  disk.put("/n/dead-letters-000001.jsonl", input);
  disk.put(`/n/${queueFileName(3)}`, input);
  const dead = new DeadLetters(disk, "/n", { fileBytes: 1 << 20, files: 4 });
  const lines = Buffer.from(input).toString("utf8").split("\n");
  for (const tenant of ["acme", "other"]) {
    const mine = new Set(lines.filter((line) => whole.has(line) && line.includes(`"tenant":"${tenant}"`)));
    const found = await dead.read(tenant);
    const shown = new Set(found.map(({ letter }) => JSON.stringify(letter)));
    for (const line of mine) {
      const { webhook } = JSON.parse(line) as DeadLetter;
      // Another line for the same delivery may be the newer one.
      assert.ok(shown.has(line) || found.some(({ letter }) => letter.webhook === webhook), `a whole line is not found: ${line}`);
    }
    for (const { letter } of found) assert.equal(letter.transition.tenant, tenant);
    if (tenant === "acme") await dead.remove(found.slice(0, 1));
  }
  await dead.close();
  const queue = await orRefusalLater(() => recoverQueue(disk, "/n"));
  if (queue instanceof Error) return;
  for (const record of queue.records) assert.ok(written.has(JSON.stringify(record)), `nobody wrote ${JSON.stringify(record)}`);
  foldRecords(queue.records);
}

export function open(): Target {
  const file = new Uint8Array(Buffer.from(letters.map((letter) => `${JSON.stringify(letter)}\n`).join("")));
  const queue = new Uint8Array(Buffer.concat(records.map(encodeRecord)));
  const lines = letters.map((letter) => new Uint8Array(Buffer.from(JSON.stringify(letter))));
  return {
    ...{ name: "webhook-files", seeds: [file, queue], run },
    mutate: (random, all) => {
      if (random.chance(0.6)) return mutateBytes(random, all);
      // One line that is JSON and no letter, between others.
      const odd = Array.from({ length: 1 + random.int(3) }, () => [mutateJson(random, lines), Buffer.from("\n")]).flat();
      return new Uint8Array(Buffer.concat([file, ...odd, file.subarray(0, random.int(file.length))]));
    },
  };
}
