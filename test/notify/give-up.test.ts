import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AlertTransition } from "../../engine/base/alert-transition.js";
import { OK, refusal, settle, transition } from "./fake-endpoint.js";
import { A, HOUR, Stage, webhook } from "./stage.js";

const MINUTE_MS = 60_000;
const DAY_MS = 24 * HOUR;
/** More than a day and two hours of them, one a minute. */
const COUNT = 26 * 60;

/** One incident each, so that none takes another's place. */
const told = (): AlertTransition[] =>
  Array.from({ length: COUNT }, (_, n) => transition(0, { key: `k${n}`, incident: n.toString(16).padStart(16, "0") }));

/** A webhook that takes one a minute, after a day and an hour; an hour's worth still waits for room. */
async function heldBackForADay(): Promise<Stage> {
  const stage = new Stage({ acme: [webhook(A, { perMinute: 1 })] });
  await stage.start();
  for (const each of told()) void stage.notifier.take(each);
  await settle();
  await stage.advance(25 * HOUR, MINUTE_MS);
  assert.equal(stage.endpoints.delivered.length, 25 * 60 + 1);
  return stage;
}

describe("what the rate limit of a webhook in order held back for more than a day", () => {
  it("is no dead letter when an attempt fails then, and goes out once the webhook takes it again", async () => {
    const stage = await heldBackForADay();
    stage.endpoints.answers.set(A, () => refusal("down"));
    await stage.advance(10 * MINUTE_MS, MINUTE_MS);
    assert.ok(stage.notifier.stats().tenants["acme"]!.failed > 1);
    await stage.restart();
    assert.deepEqual(stage.deadKeys(), []);
    await stage.advance(10 * HOUR, 10 * MINUTE_MS);
    assert.deepEqual(stage.deadKeys(), []);
    stage.endpoints.answers.set(A, () => OK);
    await stage.advance(3 * HOUR, MINUTE_MS);
    assert.deepEqual(
      new Set(stage.endpoints.keysOf(A)),
      new Set(
        told()
          .slice(25 * 60 + 1)
          .map(({ key }) => key),
      ),
    );
    assert.equal(stage.notifier.stats().tenants["acme"]!.waiting, 0);
  });

  it("has its day from the first attempt that failed, restarts included", async () => {
    const stage = await heldBackForADay();
    stage.endpoints.answers.set(A, () => refusal("down"));
    await stage.advance(2 * MINUTE_MS, MINUTE_MS);
    await stage.advance(DAY_MS / 2, HOUR);
    await stage.restart();
    await stage.advance(DAY_MS / 2 - 10 * MINUTE_MS, 10 * MINUTE_MS);
    assert.deepEqual(stage.deadKeys(), []);
    await stage.advance(20 * MINUTE_MS, MINUTE_MS);
    const expired = told().slice(25 * 60 + 1);
    assert.deepEqual(
      stage.deadKeys(),
      expired.map(({ key }) => ["expired", key]),
    );
  });
});
