import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { encodeBinaryFrame, encodeBindFrame } from "../../engine/client/frames.js";
import { until } from "../support/servers.js";
import { readingsOf } from "./api.js";
import { Stage } from "./stage.js";
import { Wire } from "./wire.js";

const TS = Date.UTC(2026, 0, 1);
/** Frames of a datalogger that the engine can tell from others under the same seq. */
const REMEMBERED = 256;

let stage: Stage;
before(async () => {
  stage = await Stage.set("duckdb");
});
after(() => stage.clear());

function frame(meter: string, seq: number, value = seq): string {
  return JSON.stringify({ seq, readings: [[meter, TS + seq * 1000, value]] });
}

/** The values of a meter, once there are so many rows of it. */
async function stored(meter: string, count: number, token = stage.acme.tokens.read): Promise<number[]> {
  let values: number[] = [];
  await until(`${count} rows of ${meter}`, 20_000, async () => {
    values = (await readingsOf(stage.engine.url, token, meter)).map(({ value }) => value);
    return values.length >= count;
  });
  return values;
}

test("the same frame under a used seq is acked again and changes nothing, on any connection", async () => {
  const bind = encodeBindFrame([{ alias: 3, meter: "again-binary" }]);
  const binary = encodeBinaryFrame(2, [{ alias: 3, ts: TS, value: 2 }]);
  const wire = await stage.wire("again");
  await stage.amid(async () => {
    wire.send(frame("again", 1));
    wire.send(bind);
    wire.send(binary);
    await wire.acked(2);
    for (let time = 0; time < 3; time++) {
      wire.send(frame("again", 1));
      wire.send(binary);
    }
    wire.send(frame("again", 5));
    await wire.acked(5);
  });
  assert.deepEqual(wire.rejected, []);
  const seqs = wire.acks.map(({ seq }) => seq);
  assert.deepEqual(
    seqs,
    seqs.toSorted((a, b) => a - b),
    "acks never go backwards",
  );
  wire.close();

  const next = await stage.wire("again");
  assert.equal(next.welcome.lastSeq, 5);
  next.send(frame("again", 1));
  next.send(frame("again", 5));
  assert.equal((await next.acked(5)).seq, 5);
  assert.equal(next.closed, null);
  next.close();
  assert.deepEqual(await stored("again", 2), [1, 5]);
  assert.deepEqual(await stored("again-binary", 1), [2]);
});

test("another frame under a used seq is refused, whatever it holds, and the datalogger can go on from lastSeq", async () => {
  const wire = await stage.wire("reused");
  for (let seq = 1; seq <= 4; seq++) wire.send(frame("reused", seq * 10));
  await wire.acked(40);
  wire.close();
  const others: [what: string, text: string][] = [
    ["another value", frame("reused", 40, 41)],
    ["the same reading with a blank", `${frame("reused", 40)} `],
    ["a seq that was left out", frame("reused", 25)],
    ["a seq below all", frame("reused", 1)],
    ["no readings", '{"seq":40,"readings":[]}'],
    ["a broken frame", '{"seq":40,"readings":['],
  ];
  await stage.amid(async () => {
    for (const [what, text] of others) {
      const other = await stage.wire("reused");
      other.send(text);
      const { message, ...end } = await other.ended();
      assert.deepEqual(end, { code: 1008, reason: "seq_reused", error: "seq_reused" }, what);
      assert.match(message, /lastSeq \+ 1 = 41/);
    }
  });
  const last = await stage.wire("reused");
  assert.equal(last.welcome.lastSeq, 40);
  last.send(frame("reused", 41));
  await last.acked(41);
  last.close();
  assert.deepEqual(await stored("reused", 5), [10, 20, 30, 40, 41]);
});

test("the last 256 frames are known again; one that lies further back is refused", async () => {
  const wire = await stage.wire("far");
  for (let seq = 1; seq <= REMEMBERED + 1; seq++) wire.send(frame("far", seq));
  await stage.amid(async () => {
    await wire.acked(REMEMBERED + 1);
    wire.send(frame("far", 2));
    wire.send(frame("far", REMEMBERED + 2));
    await wire.acked(REMEMBERED + 2);
    wire.send(frame("far", 1));
    const { message: _, ...end } = await wire.ended();
    assert.deepEqual(end, { code: 1008, reason: "seq_reused", error: "seq_reused" });
  });
  assert.equal((await stored("far", REMEMBERED + 2)).length, REMEMBERED + 2);
});

test("a newer connection replaces the older, whose frames are taken in order and none twice", async () => {
  const FRAMES = 400;
  const numbers = Array.from({ length: FRAMES }, (_, i) => i + 1);
  const [older, newer] = await stage.amid(async () => {
    const first = await stage.wire("twice");
    for (const seq of numbers) first.send(frame("twice", seq));
    return [first, await stage.wire("twice")] as const;
  });
  assert.deepEqual(await older.ended(), { code: 1008, reason: "replaced", error: null, message: "" });
  const { lastSeq } = newer.welcome;
  const olderAcked = older.acks.at(-1)?.seq ?? 0;
  assert.ok(olderAcked <= lastSeq && lastSeq <= FRAMES, `acked ${olderAcked}, welcome with ${lastSeq}`);
  // What the engine has, it has: the frames sent again are the ones it knows or the ones that come next.
  for (const seq of numbers.slice(lastSeq)) newer.send(frame("twice", seq));
  if (lastSeq < FRAMES) await newer.acked(FRAMES);
  assert.equal(newer.closed, null);
  assert.deepEqual(newer.rejected, []);
  assert.deepEqual(await stored("twice", FRAMES), numbers);
  newer.close();
});

test("a datalogger that lost its count goes on from the welcome's lastSeq though its frames were still under way", async () => {
  for (let round = 0; round < 5; round++) {
    const meter = `lost-${round}`;
    const first = await stage.wire(meter);
    for (let seq = 1; seq <= 300; seq++) first.send(frame(meter, seq));
    const second = await stage.wire(meter);
    const next = second.welcome.lastSeq + 1;
    second.send(JSON.stringify({ seq: next, readings: [[meter, TS + 1_000_000, 7]] }));
    await second.acked(next);
    assert.equal(second.closed, null);
    second.close();
    const values = await stored(meter, next);
    assert.deepEqual(values, [...Array.from({ length: next - 1 }, (_, i) => i + 1), 7]);
  }
});

test("dataloggers of the same name at two clients have nothing to do with each other", async () => {
  const ours = await stage.wire("shared-name");
  const theirs = await Wire.open(stage.engine.wsUrl, stage.other.tokens.ingest, "shared-name");
  ours.send(frame("shared-meter", 5, 1));
  theirs.send(frame("shared-meter", 5, 2));
  await Promise.all([ours.acked(5), theirs.acked(5)]);
  assert.deepEqual([ours.closed, theirs.closed], [null, null]);
  for (const wire of [ours, theirs]) wire.close();
  assert.deepEqual(await stored("shared-meter", 1), [1]);
  assert.deepEqual(await stored("shared-meter", 1, stage.other.tokens.read), [2]);
});

test("what the neighbours sent meanwhile is all there", () => stage.neighboursStored());
