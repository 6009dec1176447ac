import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { refusal, settle, transition } from "./fake-endpoint.js";
import { A, B, HOUR, keys, Stage, webhook } from "./stage.js";

const DAY = 24 * HOUR;
const C = "https://c.example/";
const SMALL = { fileBytes: 1500, files: 8 };

/** A stage whose webhooks have not taken `count` transitions for a day. */
async function stageWithDead(count: number, urls: readonly string[] = [A], bounds: object = {}): Promise<Stage> {
  const stage = new Stage({ acme: urls.map((url) => webhook(url, { perMinute: 1000 })), other: [webhook(C)] });
  for (const url of [...urls, C]) stage.endpoints.answers.set(url, () => refusal("it answered 503"));
  await stage.start({ bounds });
  for (let n = 0; n < count; n++) await stage.notifier.take(transition(n));
  await stage.advance(DAY + HOUR, HOUR);
  assert.equal(stage.deadKeys().length, count * urls.length);
  return stage;
}

function open(stage: Stage): void {
  stage.endpoints.answers.clear();
}

describe("dead letters that are sent again", () => {
  it("go out at once and in order under the keys they had, and are dead letters no more", async () => {
    const stage = await stageWithDead(5);
    open(stage);
    const [result] = (await stage.notifier.redeliver("acme", null))!;
    const { webhook: id, ...rest } = result!;
    assert.match(id, /^[0-9a-f]{16}$/);
    assert.deepEqual(rest, { url: "https://a.example/…", position: 0, redelivered: 5, left: 0 });
    await settle();
    assert.deepEqual(stage.endpoints.keysOf(A), keys(0, 5));
    assert.deepEqual(stage.deadKeys(), []);
    assert.ok(stage.log.lines.includes("info 5 dead letters of acme wait for their webhooks again"), stage.log.lines.join("\n"));
    assert.ok(!JSON.stringify([stage.log.lines, result]).includes("hidden"));
    await stage.advance(1000);
    await stage.restart();
    await stage.advance(DAY, HOUR);
    assert.deepEqual(stage.endpoints.delivered, []);
    assert.deepEqual(
      (await stage.notifier.redeliver("acme", null))!.map(({ redelivered }) => redelivered),
      [0],
    );
  });

  it("have another day, and are dead letters again behind it, once", async () => {
    const stage = await stageWithDead(3);
    await stage.notifier.redeliver("acme", null);
    await stage.advance(DAY - HOUR, HOUR);
    assert.deepEqual(stage.deadKeys(), []);
    await stage.advance(2 * HOUR, HOUR);
    assert.deepEqual(
      stage.deadKeys(),
      keys(0, 3).map((key) => ["expired", key]),
    );
  });

  it("are of the one webhook that is asked for; those of others and of other clients stay, whatever files they share", async () => {
    const stage = await stageWithDead(6, [A, B], SMALL);
    await stage.notifier.take(transition(9, { tenant: "other", incident: "00000000000000cc" }));
    await stage.advance(DAY + HOUR, HOUR);
    const before = stage.deadLetters().filter(({ origin }) => origin !== "https://a.example");
    assert.equal(before.length, 7);
    open(stage);
    const [first] = await stage.notifier.list("acme");
    const again = await stage.notifier.redeliver("acme", first!.webhook);
    assert.deepEqual(
      again!.map(({ position, redelivered, left }) => ({ position, redelivered, left })),
      [{ position: 0, redelivered: 6, left: 0 }],
    );
    await settle();
    assert.deepEqual(stage.endpoints.keysOf(A), keys(0, 6));
    assert.deepEqual(stage.endpoints.keysOf(B), []);
    const line = (letter: object): string => JSON.stringify(letter);
    assert.deepEqual(stage.deadLetters().map(line).sort(), before.map(line).sort());
    assert.equal(await stage.notifier.redeliver("other", first!.webhook), null, "it is not theirs");
    assert.equal(await stage.notifier.redeliver("acme", "0000000000000000"), null);
  });

  it("may be sent again as often as somebody wants, without pushing out those of others", async () => {
    const stage = await stageWithDead(1, [A, B], { fileBytes: 100_000, files: 3 });
    const [first] = await stage.notifier.list("acme");
    for (let round = 0; round < 12; round++) {
      await stage.notifier.redeliver("acme", first!.webhook);
      await stage.advance(DAY + HOUR, HOUR);
    }
    assert.deepEqual(
      stage
        .deadLetters()
        .map(({ origin }) => origin)
        .sort(),
      ["https://a.example", "https://b.example"],
    );
  });

  it("stay where too many wait already, and come when there is room", async () => {
    const stage = await stageWithDead(5, [A], { waiting: 5 });
    for (let n = 5; n < 8; n++) await stage.notifier.take(transition(n));
    const results = (await stage.notifier.redeliver("acme", null))!;
    assert.deepEqual([results[0]!.redelivered, results[0]!.left], [2, 3]);
    assert.deepEqual(
      stage.deadKeys().map(([, key]) => key),
      keys(2, 5),
    );
    open(stage);
    await stage.notifier.redeliver("acme", null);
    await settle();
    await stage.notifier.redeliver("acme", null);
    await settle();
    assert.deepEqual(stage.endpoints.keysOf(A).sort(), keys(0, 8).sort());
  });

  it("do not leave out what is newer: where a rule changes all the time its newest state is sent, and says how many it left out", async () => {
    const stage = await stageWithDead(3);
    stage.webhooks = { acme: [webhook(A, { perMinute: 1 })] };
    stage.notifier.configure();
    open(stage);
    await stage.notifier.take(transition(10, { incident: "00000000000000bb" }));
    await stage.notifier.take(transition(7));
    await settle();
    await stage.notifier.redeliver("acme", null);
    await settle();
    await stage.advance(2 * HOUR, 60_000);
    const sent = stage.endpoints.delivered.map(({ key, heldBack }) => [key, heldBack]);
    assert.deepEqual(sent, [
      [transition(10, { incident: "00000000000000bb" }).key, 0],
      [transition(7).key, 3],
    ]);
  });

  it("wait for a webhook that is gone until it is configured again", async () => {
    const stage = await stageWithDead(2);
    stage.webhooks = {};
    stage.notifier.configure();
    const shown = ({ position, url, deadLetters }: { position: number | null; url: string; deadLetters: number }) => ({
      ...{ position, url, deadLetters },
    });
    assert.deepEqual((await stage.notifier.list("acme")).map(shown), [
      { position: null, url: "https://a.example", deadLetters: 2 },
    ]);
    assert.deepEqual(
      (await stage.notifier.redeliver("acme", null))!.map(({ redelivered, left }) => [redelivered, left]),
      [[0, 2]],
    );
    stage.webhooks = { acme: [webhook(B), webhook(A)] };
    open(stage);
    await stage.notifier.redeliver("acme", null);
    await settle();
    assert.deepEqual(stage.endpoints.keysOf(A), keys(0, 2));
    assert.deepEqual(
      (await stage.notifier.list("acme")).map(({ deadLetters }) => deadLetters),
      [0, 0],
    );
  });

  it("are refused while the disk fails, with its reason, and stay", async () => {
    const stage = await stageWithDead(2);
    stage.disk.faultRate = 1;
    void stage.notifier.take(transition(5));
    await stage.advance(2000, 500);
    await assert.rejects(stage.notifier.redeliver("acme", null), { code: "notify_disk" });
    await assert.rejects(stage.notifier.list("acme"), { code: "notify_disk" });
    stage.disk.faultRate = 0;
    await stage.advance(2000, 500);
    open(stage);
    await stage.notifier.redeliver("acme", null);
    await settle();
    assert.deepEqual(stage.endpoints.keysOf(A).sort(), [...keys(0, 2), transition(5).key].sort());
  });
});

describe("a machine that dies while dead letters are sent again", () => {
  for (const [name, end] of [
    ["is killed", "kill"],
    ["loses its power", "crash"],
  ] as const) {
    it(`and ${name} at any moment loses none of them`, async () => {
      let wereSafe = 0;
      let wereTwice = 0;
      for (let turns = 0; turns < 250; turns += 1) {
        const stage = await stageWithDead(4, [A, B]);
        const [first] = await stage.notifier.list("acme");
        const old = stage.deadKeys().length;
        void stage.notifier.redeliver("acme", first!.webhook);
        for (let i = 0; i < turns; i++) await Promise.resolve();
        stage.disk = stage.disk[end]();
        const dead = stage.deadLetters();
        assert.ok(dead.filter(({ origin }) => origin === "https://b.example").length >= 4);
        const deadOfA = new Set(dead.flatMap(({ origin, transition: { key } }) => (origin === "https://a.example" ? [key] : [])));
        stage.endpoints.answers.clear();
        await stage.restart();
        await stage.advance(HOUR, HOUR);
        const has = new Set([...stage.endpoints.keysOf(A), ...deadOfA]);
        assert.deepEqual([...has].sort(), keys(0, 4).sort(), `after ${turns} turns`);
        if (deadOfA.size === 0) wereSafe++;
        if (dead.length > old) wereTwice++;
        await stage.notifier.redeliver("acme", null);
        await settle();
        assert.deepEqual(stage.deadLetters(), []);
        assert.deepEqual([...new Set(stage.endpoints.keysOf(B))].sort(), keys(0, 4).sort());
      }
      assert.ok(wereSafe > 10 && wereSafe < 240, `${wereSafe} of 250 were done`);
      assert.ok(wereTwice > 0, "none died between the new file and the old one");
    });
  }
});

describe("a list of webhooks", () => {
  it("says how each stands, in words, and nothing that may be a secret", async () => {
    const stage = await stageWithDead(2, [A, B]);
    stage.endpoints.answers.delete(B);
    const at = stage.clock.nowMs();
    await stage.notifier.take(transition(8));
    await settle();
    const list = await stage.notifier.list("acme");
    assert.deepEqual(
      list.map(({ webhook: _, nextMs, ...rest }) => ({ ...rest, isLater: nextMs !== null && nextMs > at })),
      [
        {
          ...{ url: "https://a.example/…", position: 0, waiting: 1, oldestMs: at, attempts: list[0]!.attempts, isLater: true },
          ...{ failure: "it answered 503", heldBack: 0, deadLetters: 2 },
        },
        {
          ...{ url: "https://b.example/…", position: 1, waiting: 0, oldestMs: null, attempts: 0, isLater: false },
          ...{ failure: "", heldBack: 0, deadLetters: 2 },
        },
      ],
    );
    assert.ok(list[0]!.attempts > 5);
    await stage.notifier.redeliver("acme", list[1]!.webhook);
    await settle();
    assert.deepEqual(
      (await stage.notifier.list("acme")).map(({ deadLetters }) => deadLetters),
      [2, 0],
    );
    assert.deepEqual(await stage.notifier.list("nobody"), []);
  });
});
