import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { OK, refusal, settle, transition } from "./fake-endpoint.js";
import { A, B, HOUR, keys, Stage, webhook } from "./stage.js";

describe("what is taken", () => {
  it("is safe when that is said, goes to each webhook of its client in order, and to nobody else's", async () => {
    const stage = new Stage({ acme: [webhook(A), webhook(B)], other: [webhook("https://c.example/")] });
    await stage.start();
    const taken = Array.from({ length: 20 }, (_, n) => stage.notifier.take(transition(n)));
    await Promise.all(taken);
    await stage.notifier.take(transition(0, { tenant: "nobody", incident: "00000000000000bb" }));
    await settle();
    assert.deepEqual(stage.endpoints.keysOf(A), keys(0, 20));
    assert.deepEqual(stage.endpoints.keysOf(B), keys(0, 20));
    assert.equal(stage.endpoints.delivered.length, 40);
    const counts = { delivered: 40, failed: 0, deadLetters: 0, heldBack: 0, waiting: 0, failing: 0 };
    assert.deepEqual(stage.notifier.stats(), { tenants: { acme: counts }, trouble: "" });
    // All that came together shared a sync: one for the file that is begun at a start, and one for these.
    assert.ok(stage.disk.calls.sync <= 3, `${stage.disk.calls.sync} syncs`);
  });

  it("is counted for a client that is called as what every object has, too", async () => {
    const ids = ["__proto__", "constructor", "acme"];
    const stage = new Stage(Object.fromEntries(ids.map((id) => [id, [webhook(A)]])));
    await stage.start();
    for (const tenant of ids) await stage.notifier.take(transition(0, { tenant, key: `of ${tenant}` }));
    await settle();
    const { tenants } = JSON.parse(JSON.stringify(stage.notifier.stats())) as { tenants: Record<string, { delivered: number }> };
    assert.deepEqual(
      Object.entries(tenants).map(([tenant, { delivered }]) => [tenant, delivered]),
      ids.map((id) => [id, 1]),
    );
  });

  it("costs a client without webhooks nothing", async () => {
    const stage = new Stage({});
    await stage.start();
    const { sync } = stage.disk.calls;
    await stage.notifier.take(transition(1));
    assert.equal(stage.disk.calls.sync, sync);
    assert.deepEqual(stage.notifier.stats(), { tenants: {}, trouble: "" });
  });

  it("changes nothing when it is told again, whether it waits, was delivered, or both over a start", async () => {
    const stage = new Stage();
    await stage.start();
    for (let n = 0; n < 4; n++) await stage.notifier.take(transition(n));
    await settle();
    stage.endpoints.answers.set(A, () => refusal("down"));
    for (let n = 2; n < 8; n++) await stage.notifier.take(transition(n));
    await stage.advance(500);
    await stage.restart();
    await stage.restart();
    stage.endpoints.answers.delete(A);
    for (let n = 0; n < 10; n++) await stage.notifier.take(transition(n));
    await stage.advance(HOUR, 60_000);
    assert.deepEqual(stage.endpoints.keysOf(A), keys(4, 10));
  });

  it("waits while the disk fails, is sent meanwhile, and is safe once the disk is in order", async () => {
    const stage = new Stage();
    await stage.start();
    stage.disk.faultRate = 1;
    let safe = 0;
    for (let n = 0; n < 3; n++) void stage.notifier.take(transition(n)).then(() => safe++);
    await stage.advance(10_000, 500);
    assert.equal(safe, 0);
    assert.deepEqual(stage.endpoints.keysOf(A), keys(0, 3));
    assert.match(stage.notifier.stats().trouble, /EIO/);
    stage.disk.faultRate = 0;
    await stage.advance(2000, 500);
    assert.equal(safe, 3);
    assert.equal(stage.notifier.stats().trouble, "");
    await stage.restart();
    assert.deepEqual(stage.endpoints.attempts, []);
    assert.equal(stage.log.lines.filter((line) => line.includes("cannot be written")).length, 1);
    assert.equal(stage.disk.paths().length, 1, "no file but the newest is left");
  });

  it("does not make the file grow without bound", async () => {
    const stage = new Stage({ acme: [webhook(A, { perMinute: 6000 })] });
    await stage.start({ bounds: { keys: 100 } });
    let most = 0;
    for (let n = 0; n < 30_000; n++) {
      const taken = stage.notifier.take(transition(n, { rule: `r${n % 100}` }));
      if (n % 100 === 0) await taken;
      if (n % 5000 === 0) await stage.advance(60_000);
      most = Math.max(most, stage.disk.usedBytes());
    }
    await stage.advance(60_000);
    assert.equal(stage.endpoints.delivered.length, 30_000);
    assert.ok(most > 3 * 1024 * 1024 && most < 6 * 1024 * 1024, `${most} bytes`);
    assert.equal(stage.disk.paths().length, 1);
  });
});

describe("an endpoint that fails", () => {
  it("is tried again with pauses that double up to an hour, over restarts, and gets everything in order", async () => {
    const stage = new Stage();
    stage.endpoints.answers.set(A, () => refusal("it answered 500"));
    await stage.start({ timing: { giveUpMs: 100 * HOUR } });
    for (let n = 0; n < 3; n++) await stage.notifier.take(transition(n));
    const start = stage.clock.nowMs();
    await stage.advance(2 * HOUR, 500);
    const pauses = stage.endpoints.attempts.map(({ atMs }, i, all) => atMs - (all[i - 1]?.atMs ?? start));
    const doubling = [0, ...Array.from({ length: 12 }, (_, i) => 1000 * 2 ** i)];
    assert.deepEqual(pauses, doubling);
    assert.ok(
      stage.endpoints.attempts.every(({ key }) => key === transition(0).key),
      "only the first is tried",
    );
    // The next attempt was due an hour after the last, and a restart does not bring it forward.
    const due = stage.endpoints.attempts.at(-1)!.atMs + HOUR;
    await stage.restart({ timing: { giveUpMs: 100 * HOUR } });
    assert.equal(stage.notifier.stats().tenants["acme"]!.failing, 1);
    await stage.advance(due - stage.clock.nowMs() - 1, 60_000);
    assert.equal(stage.endpoints.attempts.length, 0);
    stage.endpoints.answers.delete(A);
    await stage.advance(1);
    assert.deepEqual(stage.endpoints.keysOf(A), keys(0, 3));
    assert.equal(stage.notifier.stats().tenants["acme"]!.failing, 0);
    const said = stage.log.lines.filter((line) => line.includes("a.example"));
    assert.deepEqual(said, [
      "warn the webhook https://a.example of acme: it answered 500; it is tried again with growing pauses, 1 transitions wait",
      "info the webhook https://a.example of acme takes transitions again; 2 wait",
    ]);
    assert.ok(!stage.log.lines.join("").includes("hidden"), "what stands in the path of an address is in no log");
  });

  it("is tried at random moments of the second half of a pause", async () => {
    const stage = new Stage();
    stage.endpoints.answers.set(A, () => refusal("down"));
    await stage.start({ random: () => 0 });
    await stage.notifier.take(transition(0));
    const start = stage.clock.nowMs();
    await stage.advance(4000, 100);
    assert.deepEqual(
      stage.endpoints.attempts.map(({ atMs }) => atMs - start),
      [0, 500, 1500, 3500],
    );
  });

  it("is left alone for as long as it asks, an hour at most", async () => {
    const stage = new Stage();
    const asked = [30_000, 10 * HOUR];
    stage.endpoints.answers.set(A, () => (asked.length > 0 ? refusal("later", { retryAfterMs: asked.shift()! }) : OK));
    await stage.start();
    await stage.notifier.take(transition(0));
    const start = stage.clock.nowMs();
    await stage.advance(2 * HOUR, 1000);
    assert.deepEqual(
      stage.endpoints.attempts.map(({ atMs }) => atMs - start),
      [0, 30_000, 30_000 + HOUR],
    );
    assert.deepEqual(stage.endpoints.keysOf(A), keys(0, 1));
  });

  it("makes dead letters of what it does not take for a day, restarts included, and of nothing else", async () => {
    const stage = new Stage({ acme: [webhook(A), webhook(B)] });
    stage.endpoints.answers.set(A, () => refusal("it answered 401", { refused: true }));
    await stage.start();
    await stage.notifier.take(transition(0));
    await stage.advance(10 * HOUR, 60_000);
    await stage.notifier.take(transition(1));
    await stage.restart();
    await stage.advance(14 * HOUR - 2 * 60_000, 60_000);
    assert.deepEqual(stage.deadKeys(), []);
    await stage.advance(4 * 60_000, 60_000);
    assert.deepEqual(stage.deadKeys(), [["expired", transition(0).key]]);
    const [letter] = stage.deadLetters();
    assert.equal(letter!.failure, "it answered 401");
    assert.equal(letter!.origin, "https://a.example");
    assert.deepEqual(letter!.transition, transition(0));
    await stage.restart();
    stage.endpoints.answers.delete(A);
    await stage.advance(2 * HOUR, 60_000);
    assert.deepEqual(stage.endpoints.keysOf(A), keys(1, 2));
    assert.deepEqual(stage.endpoints.keysOf(B), []);
    assert.equal(stage.deadLetters().length, 1);
    const said = stage.log.lines.filter((line) => line.includes("dead letters"));
    assert.deepEqual(said, [
      "warn the webhook https://a.example of acme: 1 transitions are dead letters, they could not be delivered in time (it answered 401)",
    ]);
  });

  it("says once that it refuses what it is sent, whatever it said before", async () => {
    const stage = new Stage();
    const answers = [
      refusal("down"),
      refusal("it answered 410", { refused: true }),
      refusal("down"),
      refusal("it answered 404", { refused: true }),
    ];
    stage.endpoints.answers.set(A, () => answers.shift() ?? refusal("down"));
    await stage.start();
    await stage.notifier.take(transition(0));
    await stage.advance(HOUR, 1000);
    const said = stage.log.lines.map((line) => /acme: (.*);/.exec(line)?.[1]);
    assert.deepEqual(said, ["down", "it answered 410"]);
  });

  it("has so many transitions wait for it and no more; the others are dead letters at once, said once a minute", async () => {
    const stage = new Stage({ acme: [webhook(A), webhook(B)] });
    stage.endpoints.answers.set(A, () => refusal("down"));
    await stage.start({ bounds: { waiting: 10 } });
    for (let n = 0; n < 30; n++) await stage.notifier.take(transition(n));
    await settle();
    assert.deepEqual(stage.endpoints.keysOf(B), keys(0, 30));
    assert.deepEqual(
      stage.deadKeys(),
      keys(10, 30).map((key) => ["overflow", key]),
    );
    const { acme } = stage.notifier.stats().tenants;
    assert.equal(acme!.waiting, 10);
    assert.equal(acme!.deadLetters, 20);
    await stage.advance(60_000, 500);
    await stage.notifier.take(transition(30));
    assert.equal(stage.log.lines.filter((line) => line.includes("are dead letters since 10 others wait")).length, 2);
    stage.endpoints.answers.delete(A);
    await stage.restart({ bounds: { waiting: 10 } });
    await stage.advance(HOUR, 1000);
    assert.deepEqual(stage.endpoints.keysOf(A), keys(0, 10));
  });

  it("takes no more than its share when much waits in all", async () => {
    const urls = [A, B, "https://c.example/"];
    const stage = new Stage({ acme: [webhook(A), webhook(B)], other: [webhook(urls[2]!)] });
    for (const url of urls) stage.endpoints.answers.set(url, () => refusal("down"));
    await stage.start({ bounds: { waitingInAll: 30 } });
    await stage.notifier.take(transition(0, { tenant: "other" }));
    for (let n = 0; n < 40; n++) await stage.notifier.take(transition(n, { incident: "00000000000000cc" }));
    for (let n = 1; n < 20; n++) await stage.notifier.take(transition(n, { tenant: "other" }));
    const { acme, other } = stage.notifier.stats().tenants;
    assert.ok(acme!.waiting >= 28 && acme!.waiting <= 30, String(acme!.waiting));
    assert.equal(other!.waiting, 10);
  });
});
