import assert from "node:assert/strict";
import { test } from "node:test";
import { EntryWriter, Kind, NameType, NONE, UnitType } from "../../engine/base/entries.js";
import { entryBytes, viewsOf } from "../../engine/base/entry-views.js";
import { defaultSettings, type Rule, type TenantPlan } from "../../engine/base/settings.js";
import { adoptPlans } from "../../workers/loop/adopt-plans.js";
import { Applier } from "../../workers/loop/applier.js";
import { MovedRows } from "../../workers/loop/move-rows.js";
import { assertMovable, moveState } from "../../workers/loop/move-state.js";
import { MeterBook } from "../../workers/state/book.js";
import { Directory } from "../../workers/state/directory.js";

const T = Date.UTC(2026, 0, 1);
const silent: Rule = {
  ...{ id: "silent", meters: "*", on: "nodata", op: ">", threshold: null, clear: null, forMs: 5_000, keepFiringMs: 0 },
  ...{ schedule: null, severity: "warning", levels: [], flag: null },
};
const plan: TenantPlan = {
  ...{ id: "acme", timezone: "UTC", rules: [silent], maxMeters: 100, maxDataloggers: 100 },
  meters: [{ match: "expected", settings: defaultSettings("UTC") }],
};
const alone = { shards: 3, spread: {} };
const spread = { shards: 3, spread: { acme: 3 } };

function shard(): Applier {
  const applier = new Applier([plan], new EntryWriter(1 << 12), new Directory(), new MeterBook(4));
  adoptPlans(applier, [plan], { type: UnitType.START, nowMs: T, isHome: () => true, write: () => {} });
  return applier;
}

/** One reading of a datalogger, in a unit of its own, as bytes. */
function give(applier: Applier, id: string, meter: string, ts: number, value: number): Uint8Array {
  const { out } = applier;
  out.reset();
  const datalogger = applier.dataloggerNumber("acme", id);
  [applier.datalogger, applier.arrivalMs] = [datalogger, ts];
  out.beginUnit(UnitType.FRAME, ts, datalogger, 1, 0, 0);
  applier.nameDatalogger("acme", id);
  assert.equal(applier.reading(applier.meter(0, meter, datalogger, false), ts, value, 0, ts), 0);
  out.endUnit(1);
  return out.bytes().slice();
}

function movedTo(source: Applier, layout: typeof alone | typeof spread): Applier[] {
  return [0, 1, 2].map((home) => {
    const target = new Applier([], new EntryWriter(1 << 12), new Directory(), new MeterBook(4));
    moveState(source, target, layout, home);
    return target;
  });
}

const metersOf = ({ directory }: Applier) => Array.from({ length: directory.meterCount }, (_, n) => directory.meter(n));

test("a meter that was expected is its first sender's, and goes where that one goes", () => {
  const source = shard();
  assert.equal(source.directory.meterOwner(0), NONE);
  for (let n = 0; n < 12; n++) give(source, `dl-${n}`, n === 7 ? "expected" : `m-${n}`, T + 1000, n);
  give(source, "dl-3", "expected", T + 2000, 8);
  assert.equal(source.directory.datalogger(source.directory.meterOwner(0)).id, "dl-7");
  assertMovable(source, spread);
  const targets = movedTo(source, spread);
  assert.equal(targets.flatMap(metersOf).length, 12);
  for (const target of targets) {
    assert.ok(target.directory.meterCount > 0, "every shard has something");
    for (let meter = 0; meter < target.directory.meterCount; meter++) {
      const owner = target.directory.datalogger(target.directory.meterOwner(meter)).id;
      const id = target.directory.meter(meter);
      assert.equal(owner, id === "expected" ? "dl-7" : `dl-${id.slice(2)}`);
      assert.deepEqual(target.book.image(meter), source.book.image(source.directory.meterNumber(0, id)));
    }
  }
});

test("a meter that nobody has sent goes along with a client of one shard; with one that is spread only where it is missed already", () => {
  const source = shard();
  give(source, "dl-0", "m", T + 1000, 1);
  assert.deepEqual(movedTo(source, alone).flatMap(metersOf).sort(), ["expected", "m"]);
  assert.deepEqual(movedTo(source, spread).flatMap(metersOf), ["m"]);
  source.alerts.startClock(T);
  source.out.reset();
  source.out.beginUnit(UnitType.TICK, T + 60_000, NONE, 0, 0, 0);
  source.tick(T + 60_000);
  source.out.endUnit(0);
  const targets = movedTo(source, spread);
  assert.deepEqual(targets.flatMap(metersOf).sort(), ["expected", "m"]);
  const home = targets.find((target) => metersOf(target).includes("expected"))!;
  const number = home.directory.meterNumber(0, "expected");
  assert.deepEqual(home.alerts.states(number), source.alerts.states(0));
});

test("a client is not spread while nobody knows whose one of its meters is", () => {
  const source = shard();
  give(source, "dl-0", "m", T + 1000, 1);
  source.directory.meterOwner = (meter) => (metersOf(source)[meter] === "m" ? NONE : 0);
  assertMovable(source, alone);
  assert.throws(() => assertMovable(source, spread), { code: "shards_changed", message: /meter "m".*does not|"m" was written/ });
});

test("rows that are kept go along under the new numbers, and nothing else of their units", () => {
  const source = shard();
  give(source, "dl-0", "other", T + 1000, 1);
  give(source, "dl-1", "m", T + 1000, 5);
  const units = [give(source, "dl-1", "m", T + 2000, 7), give(source, "dl-0", "other", T + 2000, 2)];
  const targets = movedTo(source, alone);
  const home = targets.findIndex((target) => target.directory.meterCount > 0);
  const target = new Applier([], new EntryWriter(1 << 12), new Directory(), new MeterBook(4));
  const moved = moveState(source, target, alone, home);
  const bytes = new MovedRows(target.directory, moved).of(Buffer.concat(units));
  const views = viewsOf(bytes);
  const found: [number, string, number, number][] = [];
  const types: number[] = [];
  for (let at = 0; at < bytes.length; at += entryBytes(views, at)) {
    const head = views.u32[at >> 2]!;
    if ((head & 0xff) === Kind.UNIT) types.push(head >>> 8);
    else
      found.push([
        head & 0xff,
        target.directory.meter(views.u32[(at >> 2) + 1]!),
        views.f64[(at >> 3) + 1]!,
        views.f64[(at >> 3) + 2]!,
      ]);
    assert.ok((head & 0xff) !== Kind.NAME || head >>> 8 !== NameType.METER);
  }
  assert.deepEqual(types, [UnitType.REPAIR, UnitType.REPAIR]);
  assert.deepEqual(
    found.filter(([kind]) => kind === Kind.READING),
    [
      [Kind.READING, "m", T + 2000, 7],
      [Kind.READING, "other", T + 2000, 2],
    ],
  );
});
