import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { createClaims, MeterClaims } from "../../engine/memory/claims.js";

test("a meter belongs to the first datalogger that claims it, and stays its own", () => {
  const claims = new MeterClaims(createClaims(1024));
  assert.equal(claims.claim("acme", "m1", "a"), true);
  assert.equal(claims.claim("acme", "m1", "b"), false);
  assert.equal(claims.claim("acme", "m1", "a"), true);
  assert.equal(claims.claim("other", "m1", "b"), true);
  assert.equal(claims.claim("acme", "m2", "b"), true);
});

test("many meters find a place, and a table that is full refuses instead of forgetting", () => {
  const claims = new MeterClaims(createClaims(1024));
  let taken = 0;
  for (let meter = 0; meter < 900; meter++) if (claims.claim("acme", `meter-${meter}`, "a")) taken++;
  assert.equal(taken, 900);
  for (let meter = 0; meter < 900; meter++) assert.equal(claims.claim("acme", `meter-${meter}`, "b"), false);
  for (let meter = 900; meter < 2000; meter++) if (claims.claim("acme", `meter-${meter}`, "a")) taken++;
  assert.ok(taken <= 1024);
});

test("threads that claim the same meters at once share them out, each to one", async () => {
  const buffer = createClaims(1 << 16);
  const module = new URL("../../engine/memory/claims.js", import.meta.url).href;
  const code = `
    const { parentPort, workerData } = require("node:worker_threads");
    import(${JSON.stringify(module)}).then(({ MeterClaims }) => {
      const claims = new MeterClaims(workerData.buffer);
      const mine = [];
      for (let meter = 0; meter < 20000; meter++) if (claims.claim("acme", "m" + meter, workerData.name)) mine.push(meter);
      parentPort.postMessage(mine);
    });`;
  const claimed = await Promise.all(
    ["a", "b", "c"].map(
      (name) =>
        new Promise<number[]>((resolve, reject) => {
          const worker = new Worker(code, { eval: true, workerData: { buffer, name } });
          worker.once("message", resolve);
          worker.once("error", reject);
        }),
    ),
  );
  const all = claimed.flat().sort((a, b) => a - b);
  assert.deepEqual(
    all,
    Array.from({ length: 20_000 }, (_, meter) => meter),
  );
});
