import assert from "node:assert/strict";
import { test } from "node:test";
import { Kind } from "../../engine/base/entries.js";
import { entryBytes, viewsOf } from "../../engine/base/entry-views.js";
import type { Sink, StoreOutcome } from "../../engine/store/interface.js";
import { type Content, SinkPump } from "../../workers/loop/sink-pump.js";
import { opened, small } from "../journal/opened.js";
import { unit } from "../journal/units.js";
import { SimClock } from "../support/sim-clock.js";
import { SimDisk } from "../support/sim-disk.js";

/** Answers as the script says, then always ok; keeps the numbers of the units that each call brought. */
class ScriptedSink implements Sink {
  readonly settleMs = 1000;
  readonly calls: number[][] = [];
  readonly #script: StoreOutcome[];

  constructor(script: StoreOutcome[]) {
    this.#script = script;
  }

  write(entries: readonly Uint8Array[]): Promise<StoreOutcome> {
    this.calls.push(entries.flatMap(unitNumbers));
    return Promise.resolve(this.#script.shift() ?? { ok: true });
  }

  history(): Promise<never> {
    return assert.fail("a pump only writes");
  }

  consumption(): Promise<never> {
    return assert.fail("a pump only writes");
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function unitNumbers(piece: Uint8Array): number[] {
  const views = viewsOf(piece);
  const numbers: number[] = [];
  for (let at = 0; at < piece.length; at += entryBytes(views, at)) {
    if ((views.u32[at >> 2]! & 0xff) === Kind.UNIT) numbers.push(views.f64[(at >> 3) + 3]!);
  }
  return numbers;
}

async function setUp(script: StoreOutcome[]) {
  const { journal } = await opened(new SimDisk(), "shard", small);
  const clock = new SimClock();
  const sink = new ScriptedSink(script);
  const stored: [number, number][] = [];
  const errors: string[] = [];
  const ports = {
    ...{ clock, journal, sink, restMs: () => 0 },
    onStored: (position: number, { readings }: Content) => void stored.push([position, readings]),
    onError: (kind: string) => void errors.push(kind),
    onFailed: (error: unknown) => assert.fail(String(error)),
  };
  const pump = new SinkPump(ports, 0);
  const add = async (from: number, to: number) => {
    for (let n = from; n <= to; n++) journal.append(unit(n));
    await journal.committed(journal.appended);
    pump.notify();
  };
  /** Lets everything that waits for the clock or for promises happen, until `done`. */
  const run = async (done: () => boolean) => {
    for (let i = 0; i < 10_000 && !done(); i++) {
      clock.advance(10);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(done(), "it never happened");
  };
  return { journal, clock, sink, pump, stored, errors, add, run };
}

test("what is durable is sent in order, and the position moves with the answers", async () => {
  const { journal, sink, pump, stored, add, run } = await setUp([]);
  await add(1, 20);
  pump.start();
  await run(() => pump.position === journal.durable);
  assert.deepEqual(
    sink.calls.flat(),
    Array.from({ length: 20 }, (_, i) => i + 1),
  );
  assert.equal(
    stored.reduce((sum, [, readings]) => sum + readings, 0),
    20,
  );
  await pump.stop(10);
});

test("a batch that was not taken is sent again, the same rows first", async () => {
  const { journal, sink, pump, errors, add, run } = await setUp([
    { ok: false, kind: "unavailable", message: "away" },
    { ok: false, kind: "refused", message: "not now" },
  ]);
  await add(1, 3);
  pump.start();
  await run(() => sink.calls.length > 0 && pump.trouble !== "");
  assert.equal(pump.trouble, "unavailable: away");
  await run(() => pump.position === journal.durable);
  assert.deepEqual(sink.calls, [
    [1, 2, 3],
    [1, 2, 3],
    [1, 2, 3],
  ]);
  assert.deepEqual(errors, ["unavailable", "refused"]);
  assert.equal(pump.trouble, "");
  await pump.stop(10);
});

test("after a doubtful answer nothing is sent before an old copy has settled, and the position stays", async () => {
  const { journal, clock, sink, pump, add, run } = await setUp([{ ok: false, kind: "doubtful", message: "cut" }]);
  await add(1, 2);
  pump.start();
  await run(() => sink.calls.length === 1);
  const doubtfulAtMs = clock.nowMs();
  await run(() => sink.calls.length === 2 || clock.nowMs() - doubtfulAtMs >= 900);
  assert.equal(sink.calls.length, 1);
  assert.equal(pump.position, 0);
  await run(() => pump.position === journal.durable);
  assert.ok(clock.nowMs() - doubtfulAtMs >= 1000);
  await pump.stop(10);
});

test("a store that lost what it acknowledged gets everything that is kept again, counted once", async () => {
  const { journal, sink, pump, stored, add, run } = await setUp([
    { ok: true },
    { ok: false, kind: "doubtful", message: "another table", again: "all" },
  ]);
  await add(1, 3);
  pump.start();
  await run(() => pump.position === journal.durable);
  await add(4, 5);
  await run(() => pump.position === journal.durable && sink.calls.length > 2);
  assert.deepEqual(sink.calls, [
    [1, 2, 3],
    [4, 5],
    [1, 2, 3],
    [4, 5],
  ]);
  assert.equal(
    stored.reduce((sum, [, readings]) => sum + readings, 0),
    5,
  );
  assert.equal(stored.at(-1)?.[0], journal.durable);
  await pump.stop(10);
});

test("asked to check, an idle pump hears of a loss, sends again, and keeps asking until the store is well", async () => {
  const { journal, sink, pump, add, run } = await setUp([
    { ok: true },
    { ok: false, kind: "unavailable", message: "away" },
    { ok: false, kind: "doubtful", message: "another boot", again: "all" },
  ]);
  await add(1, 3);
  pump.start();
  await run(() => pump.position === journal.durable);
  pump.check();
  await run(() => sink.calls.length === 4 && pump.trouble === "");
  assert.deepEqual(sink.calls, [[1, 2, 3], [], [], [1, 2, 3]]);
  assert.equal(pump.position, journal.durable);
  await pump.stop(10);
});

test("what the store takes and does not show yet is not stored; once it may be gone it is sent again", async () => {
  const { journal, sink, pump, stored, add, run } = await setUp([
    { ok: true, hidden: 1 },
    { ok: true, hidden: 2 },
    { ok: true, hidden: 1 },
    { ok: false, kind: "unavailable", message: "suspended", again: "hidden" },
  ]);
  await add(1, 3);
  pump.start();
  await run(() => sink.calls.length === 1);
  assert.equal(pump.position, 0);
  await add(4, 5);
  await run(() => sink.calls.length >= 3);
  await run(() => pump.position === journal.durable);
  const counts = stored.map(([, readings]) => readings);
  assert.deepEqual(counts, [3, 2], "the first batch is shown by the third answer, the second is sent again");
  assert.deepEqual(sink.calls.filter((call) => call.length > 0).at(-1), [4, 5]);
  await pump.stop(10);
});

test("rows that the store refuses by themselves are told once and are no stored readings", async () => {
  const row = { table: "readings", isReading: true, text: "no" };
  const { journal, pump, stored, add, run } = await setUp([{ ok: true, refused: [row] }]);
  await add(1, 3);
  pump.start();
  await run(() => pump.position === journal.durable);
  assert.deepEqual(stored, [[journal.durable, 2]]);
  await pump.stop(10);
});
