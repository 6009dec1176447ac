import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SimClock } from "../support/sim-clock.js";
import { OK, refusal, settle, transition } from "./fake-endpoint.js";
import { A, B, HOUR, keys, Stage, webhook } from "./stage.js";

describe("a webhook that is configured anew", () => {
  it("is tried at once with its new secret, and keeps what waits for it", async () => {
    const stage = new Stage();
    stage.endpoints.answers.set(A, () => refusal("it answered 401", { refused: true }));
    await stage.start();
    for (let n = 0; n < 3; n++) await stage.notifier.take(transition(n));
    await stage.advance(HOUR, 1000);
    stage.endpoints.answers.delete(A);
    stage.notifier.configure();
    await settle();
    assert.deepEqual(stage.endpoints.delivered, [], "nothing has changed");
    stage.webhooks = { acme: [webhook(A, { secret: "another secret" })] };
    stage.notifier.configure();
    await settle();
    assert.deepEqual(stage.endpoints.keysOf(A), keys(0, 3));
    assert.ok(stage.endpoints.delivered.every(({ secret }) => secret === "another secret"));
    assert.equal(stage.endpoints.closed, 1);
  });

  it("gives up an attempt that is under way, which does not count as a failure", async () => {
    const stage = new Stage();
    stage.endpoints.answers.set(A, () => new Promise(() => undefined));
    await stage.start();
    await stage.notifier.take(transition(0));
    await settle();
    stage.endpoints.answers.delete(A);
    stage.webhooks = { acme: [webhook(A, { allowPrivate: true })] };
    stage.notifier.configure();
    await settle();
    assert.deepEqual(stage.endpoints.keysOf(A), keys(0, 1));
    assert.equal(stage.notifier.stats().tenants["acme"]!.failed, 0);
  });

  it("leaves what waits to the dead letters when it is gone, while running or at a start", async () => {
    const stage = new Stage({ acme: [webhook(A), webhook(B)] });
    for (const url of [A, B]) stage.endpoints.answers.set(url, () => refusal("down"));
    await stage.start();
    for (let n = 0; n < 2; n++) await stage.notifier.take(transition(n));
    stage.webhooks = { acme: [webhook(B)] };
    stage.notifier.configure();
    await settle();
    assert.deepEqual(
      stage.deadKeys(),
      keys(0, 2).map((key) => ["removed", key]),
    );
    stage.webhooks = {};
    await stage.restart();
    assert.deepEqual(
      stage.deadKeys(),
      [...keys(0, 2), ...keys(0, 2)].map((key) => ["removed", key]),
    );
    await stage.restart();
    assert.equal(stage.deadKeys().length, 4);
    assert.equal(stage.notifier.stats().tenants["acme"], undefined);
  });
});

describe("a rule that changes all the time", () => {
  it("sends so much a minute, then the newest state of each incident with how many it left out; other rules go on", async () => {
    const stage = new Stage({ acme: [webhook(A, { perMinute: 4 })] });
    await stage.start();
    const flap = (n: number) => transition(n, { incident: "00000000000000a1" });
    const slow = (n: number) => transition(n, { incident: "00000000000000a2" });
    for (let n = 0; n < 10; n++) await stage.notifier.take(flap(n));
    await stage.notifier.take(slow(10));
    await stage.notifier.take(transition(11, { rule: "other" }));
    await settle();
    const first = [...[0, 1, 2, 3].map((n) => flap(n).key), transition(11).key];
    assert.deepEqual(stage.endpoints.keysOf(A), first);
    assert.deepEqual(stage.notifier.stats().tenants["acme"], {
      ...{ delivered: 5, failed: 0, deadLetters: 0, heldBack: 5, waiting: 2, failing: 0 },
    });
    await stage.advance(59_999);
    assert.equal(stage.endpoints.delivered.length, 5);
    await stage.advance(1);
    assert.deepEqual(
      stage.endpoints.delivered.slice(5).map(({ key, heldBack }) => [key, heldBack]),
      [
        [flap(9).key, 5],
        [slow(10).key, 0],
      ],
    );
    assert.equal(stage.notifier.stats().tenants["acme"]!.waiting, 0);
  });

  it("holds back more incidents than fit a window over several, each once", async () => {
    const stage = new Stage({ acme: [webhook(A, { perMinute: 3 })] });
    await stage.start();
    const of = (n: number) => transition(n, { incident: n.toString(16).padStart(16, "0") });
    for (let n = 0; n < 11; n++) await stage.notifier.take(of(n));
    await stage.advance(10 * 60_000, 1000);
    assert.deepEqual(
      stage.endpoints.delivered.map(({ key }) => key),
      Array.from({ length: 11 }, (_, n) => of(n).key),
    );
    const start = stage.endpoints.delivered[0]!.atMs;
    assert.deepEqual(
      stage.endpoints.delivered.map(({ atMs }) => (atMs - start) / 60_000),
      [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3],
    );
  });

  it("remembers over a restart how many it has left out", async () => {
    const stage = new Stage({ acme: [webhook(A, { perMinute: 2 })] });
    await stage.start();
    for (let n = 0; n < 8; n++) await stage.notifier.take(transition(n));
    await stage.advance(1000);
    for (let restart = 0; restart < 2; restart++) {
      stage.endpoints.answers.set(A, () => refusal("down"));
      await stage.restart();
      await stage.advance(1000);
    }
    stage.endpoints.answers.delete(A);
    await stage.advance(HOUR, 1000);
    assert.deepEqual(
      stage.endpoints.delivered.map(({ key, heldBack }) => [key, heldBack]),
      [[transition(7).key, 5]],
    );
  });
});

describe("an end", () => {
  it("waits for the attempt under way and no longer than it may, and begins no other", async () => {
    const stage = new Stage({ acme: [webhook(A), webhook(B)] });
    let answerA: (answer: typeof OK) => void = () => undefined;
    stage.endpoints.answers.set(A, () => new Promise((resolve) => (answerA = resolve)));
    stage.endpoints.answers.set(B, () => new Promise(() => undefined));
    await stage.start();
    for (let n = 0; n < 2; n++) await stage.notifier.take(transition(n));
    let closed = false;
    const closing = stage.notifier.close(2000).then(() => (closed = true));
    answerA(OK);
    await stage.advance(900);
    assert.equal(closed, false);
    await stage.advance(3000, 100);
    await closing;
    assert.equal(stage.endpoints.attempts.length, 2);
    stage.endpoints.answers.clear();
    await stage.restart();
    assert.deepEqual(stage.endpoints.keysOf(A), keys(1, 2));
    assert.deepEqual(stage.endpoints.keysOf(B), keys(0, 2));
  });

  it("is no failure of the endpoint: the attempt that it gave up is made at once after a start", async () => {
    const stage = new Stage();
    stage.endpoints.answers.set(A, () => new Promise(() => undefined));
    await stage.start();
    await stage.notifier.take(transition(0));
    const closing = stage.notifier.close(1000);
    await stage.advance(2000, 100);
    await closing;
    stage.endpoints.answers.clear();
    await stage.restart();
    assert.deepEqual(stage.endpoints.keysOf(A), keys(0, 1));
  });
});

describe("a clock that was set back by a year over a restart", () => {
  it("puts off no attempt by more than an hour, and no dead letter by more than a day", async () => {
    const stage = new Stage();
    stage.endpoints.answers.set(A, () => refusal("down"));
    await stage.start();
    await stage.notifier.take(transition(0));
    await stage.advance(3 * HOUR, 1000);
    stage.clock = new SimClock(stage.clock.nowMs() - 365 * 24 * HOUR);
    await stage.restart();
    await stage.advance(HOUR, 60_000);
    assert.equal(stage.endpoints.attempts.length, 1);
    await stage.advance(22 * HOUR, 60_000);
    assert.deepEqual(stage.deadKeys(), []);
    await stage.advance(HOUR + 60_000, 60_000);
    assert.deepEqual(stage.deadKeys(), [["expired", transition(0).key]]);
  });
});
