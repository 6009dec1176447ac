import assert from "node:assert/strict";
import { test } from "node:test";
import { ExchangeInfo, Kind } from "../../engine/base/entries.js";
import type { MeterHistory } from "../../engine/store/interface.js";
import { T0, unit } from "../store/rows.js";
import { TestNames } from "../store/test-names.js";
import { Random } from "../support/random.js";
import { SimClock } from "../support/sim-clock.js";
import { GOOD_MOOD, SimStore } from "./sim-store.js";

function setUp(seed = 1) {
  const clock = new SimClock();
  const store = new SimStore(new Random(seed), clock, 1000);
  const names = new TestNames();
  names.dataloggerNumber("acme", "dl");
  const meter = names.meterNumber("acme", "m1");
  const life = { alive: true };
  const sink = store.sink(names, () => life.alive);
  const write = async (value: number) => {
    const rows = unit((w) => {
      w.reading(Kind.READING, meter, T0 + 2, value, 1, 3, 4);
      w.reading(Kind.READING, meter, T0, value + 1, Number.NaN, 0, 0);
      w.reading(Kind.LATE, meter, T0 + 1, 99, Number.NaN, 0, 0);
      w.exchange(meter, T0, 5, 6, 7, 0);
      w.exchange(meter, T0 + 1, 98, 99, 9, ExchangeInfo.NO_ROW);
      w.exchange(meter, T0 + 2, 5, 6, 8, ExchangeInfo.WITHDRAWN);
    });
    const outcome = sink.write([rows]);
    clock.advance(20_000);
    assert.deepEqual(await outcome, { ok: true });
  };
  return { clock, store, names, meter, life, sink, write };
}

function columnsOf({ meter, readings, exchanges }: MeterHistory) {
  const { ts, value, rev, flags } = readings;
  return { meter, ts, value, rev, flags, exchanges };
}

test("a history holds every row of what was answered before, in the real stores' form", async () => {
  const { clock, names, meter, sink, write } = setUp();
  await write(10);
  const other = names.meterNumber("acme", "m2");
  const asked = [
    { meter: other, from: 0, to: T0 + 5 },
    { meter, from: T0, to: T0 + 2 },
    { meter, from: T0 + 1, to: T0 + 1 },
  ];
  const history = sink.history(asked);
  clock.advance(1000);
  const nothing = { ...{ ts: [], value: [], rev: [], flags: [] }, exchanges: { ts: [], final: [], start: [], rev: [] } };
  const all = {
    ...{ meter, ts: [T0, T0 + 2], value: [11, 10], rev: [0, 3], flags: [0, 4] },
    exchanges: { ts: [T0, T0 + 2], final: [5, Number.NaN], start: [6, Number.NaN], rev: [7, 8] },
  };
  assert.deepEqual((await history).map(columnsOf), [{ meter: other, ...nothing }, all, { meter, ...nothing }]);
});

test("the same seed answers the same at the same moment", async () => {
  const run = async (seed: number) => {
    const { clock, meter, sink, write } = setUp(seed);
    await write(1);
    const moments: number[] = [];
    for (let i = 0; i < 5; i++) {
      let isOver = false;
      void sink.history([{ meter, from: T0, to: T0 + 2 }]).then(() => {
        isOver = true;
      });
      for (let ms = 0; !isOver; ms++) {
        assert.ok(ms < 1000);
        clock.advance(1);
        for (let turn = 0; turn < 5; turn++) await Promise.resolve();
      }
      moments.push(clock.nowMs());
    }
    return moments;
  };
  assert.deepEqual(await run(3), await run(3));
  assert.notDeepEqual(await run(3), await run(4));
});

test("a store that is away tells so, and nobody is told anything after death", async () => {
  const { clock, store, meter, life, sink } = setUp();
  store.mood = { ...GOOD_MOOD, unavailable: 1 };
  const away = sink.history([{ meter, from: 0, to: T0 }]);
  clock.advance(1000);
  await assert.rejects(away, { code: "store_unavailable" });
  store.mood = GOOD_MOOD;
  let told = false;
  const tell = () => {
    told = true;
  };
  void sink.history([{ meter, from: 0, to: T0 }]).then(tell, tell);
  life.alive = false;
  clock.advance(100_000);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(told, false);
});
