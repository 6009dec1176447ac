import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Answer, Endpoint } from "../../engine/notify/endpoint.js";
import { dressedDisk } from "../support/dressed-disk.js";
import { crashRun, type RunOptions } from "./crash-run.js";
import { OK } from "./fake-endpoint.js";

const seeds = 2000;
/** Another range of seeds: `NOTIFY_SEED=123456` tries so many from there on. */
const firstSeed = Number(process.env["NOTIFY_SEED"] ?? 1);

function answering(endpoint: Endpoint, change: (answer: Answer) => Answer): Endpoint {
  return { send: async (message) => change(await endpoint.send(message)), close: () => endpoint.close() };
}

/** Ways to get it wrong. Each must be found by some seed, or the runs prove nothing. */
const wrong: Record<string, RunOptions> = {
  "says that it is safe without a sync": {
    disk: (disk) => dressedDisk(disk, {}, () => ({ sync: () => Promise.resolve() })),
  },
  "says that it is safe before the sync is done": {
    disk: (disk) =>
      dressedDisk(disk, {}, (file) => ({
        sync: () => {
          file.sync().catch(() => {});
          return Promise.resolve();
        },
      })),
  },
  "takes a failed sync for a good one": {
    disk: (disk) => dressedDisk(disk, {}, (file) => ({ sync: () => file.sync().catch(() => {}) })),
  },
  "takes a failed append for a good one": {
    disk: (disk) => dressedDisk(disk, {}, (file) => ({ append: (pieces) => file.append(pieces).catch(() => {}) })),
  },
  "does not sync the names of its files": { disk: (disk) => dressedDisk(disk, { syncDirectory: () => Promise.resolve() }) },
  "begins a file anew without what waits": {
    disk: (disk) =>
      dressedDisk(disk, {}, (file) => ({
        append: (pieces) =>
          file.append(pieces.length > 2 && isHeader(pieces[0]!) ? pieces.filter((piece) => !isEntry(piece)) : pieces),
      })),
  },
  "forgets what it took when it starts": { disk: (disk) => dressedDisk(disk, { read: () => Promise.resolve(null) }) },
  "takes every answer for a good one": { endpoint: (endpoint) => answering(endpoint, () => OK) },
  "sends the newest first": { endpoint: (endpoint) => lifo(endpoint) },
};

function isHeader(piece: Uint8Array): boolean {
  return Buffer.from(piece).includes('"k":"file"');
}

function isEntry(piece: Uint8Array): boolean {
  return Buffer.from(piece).includes('"k":"entry"');
}

/** Keeps each message back and sends it behind the next one. */
function lifo(endpoint: Endpoint): Endpoint {
  let kept: Parameters<Endpoint["send"]>[0] | null = null;
  return {
    send: async (message) => {
      const before = kept;
      kept = before === null ? message : null;
      if (before === null) return OK;
      const answer = await endpoint.send(message);
      return answer.ok ? await endpoint.send(before) : answer;
    },
    close: () => endpoint.close(),
  };
}

describe("webhooks under crashes", () => {
  it(`reach everybody at least once and in order in ${seeds} histories of crashes, kills, failing disks and endpoints`, async () => {
    const sum = { crashes: 0, kills: 0, deliveries: 0, repeated: 0, leftOut: 0, dead: 0, redelivered: 0 };
    for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
      const result = await crashRun(seed);
      for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += result[name];
    }
    // The histories must have had something in them, and no more is sent twice than has to be.
    assert.ok(sum.crashes > seeds && sum.kills > seeds / 2, JSON.stringify(sum));
    assert.ok(
      sum.deliveries > 20 * seeds && sum.leftOut > seeds && sum.dead > seeds / 2 && sum.redelivered > seeds,
      JSON.stringify(sum),
    );
    assert.ok(sum.repeated > seeds / 10 && sum.repeated < sum.deliveries / 4, JSON.stringify(sum));
  });

  it("has the same history again for the same seed", async () => {
    assert.deepEqual(await crashRun(7), await crashRun(7));
  });

  for (const [name, options] of Object.entries(wrong)) {
    it(`finds out one that ${name}`, async () => {
      let found: Error | null = null;
      for (let seed = 1; seed <= 500 && found === null; seed++) {
        await crashRun(seed, options).catch((error: Error) => {
          found = error;
        });
      }
      const error = found as Error | null;
      assert.ok(error !== null, "500 histories did not find it out");
      assert.match(error.message, /^seed \d+: /);
      assert.ok(error.cause instanceof assert.AssertionError, String(error.cause));
    });
  }
});
