import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { EntryWriter, type PeriodName, UnitType } from "../../engine/base/entries.js";
import { MeterstormError } from "../../engine/base/errors.js";
import type { PeriodExplanation, ReadingExplanation } from "../../engine/base/explanation.js";
import { flagNames } from "../../engine/base/flags.js";
import { defaultSettings, type MeterSettings } from "../../engine/base/settings.js";
import { emptyHistories } from "../../engine/store/history.js";
import type { HistoryRange, MeterHistory } from "../../engine/store/interface.js";
import { RecordType } from "../../workers/kernels/record.js";
import { Applier } from "../../workers/loop/applier.js";
import { Explainer } from "../../workers/loop/explain.js";
import { MeterBook } from "../../workers/state/book.js";
import { Directory } from "../../workers/state/directory.js";
import { knownReading } from "../../workers/state/known-record.js";
import type { Input } from "../reference/history.js";
import { reference } from "../reference/reference.js";
import { inTimeOrder, Tables } from "../state/tables.js";
import { HurryingClock } from "../support/memory-shard.js";
import { aSeries, type Series } from "../support/series-generator.js";
import { recordsOf } from "./figures.js";
import { recomputedDelta, recomputedPeriod } from "./recompute.js";

const NOW_MS = Date.UTC(2100, 0, 1);
const HOUR_MS = 3_600_000;

/** A shard with one meter, all of whose rows are in a store. */
class OneMeter {
  readonly applier: Applier;
  readonly explainer: Explainer;
  readonly #records: ReturnType<typeof recordsOf>;
  readonly #tables = new Tables();
  /** What the store was asked for, and how many records it told. */
  questions = 0;
  told = 0;
  /** The earliest instant that it was asked for. */
  readFrom = Number.POSITIVE_INFINITY;
  stored = 0;
  /** What the store says instead. */
  fault: MeterstormError | null = null;
  readonly clock = new HurryingClock();

  constructor(settings: MeterSettings, inputs: readonly Input[]) {
    const plan = {
      id: "acme",
      timezone: "UTC",
      meters: [{ match: "*", settings }],
      rules: [],
      maxMeters: 10,
      maxDataloggers: 10,
    };
    this.applier = new Applier([plan], new EntryWriter(1 << 12), new Directory(), new MeterBook(4));
    const { out } = this.applier;
    for (const input of inTimeOrder(inputs)) {
      out.reset();
      out.beginUnit(UnitType.POST, NOW_MS, 0, 0, 0, 0);
      this.applier.nameDatalogger("acme", "d1");
      const number = this.applier.meter(0, "m", 0, false);
      const { ts, rev = 0 } = input;
      if ("value" in input) this.applier.reading(number, ts, input.value, rev, NOW_MS);
      else {
        const { final, start } = input.exchange ?? { final: Number.NaN, start: Number.NaN };
        this.applier.exchange(number, ts, final, start, rev, NOW_MS);
      }
      out.endUnit(1);
      this.#tables.take(out.bytes(), 0);
    }
    // Meters that are no counters have rows of exchanges too.
    this.#records = recordsOf({ ...settings, kind: "counter" }, inputs);
    const history = (ranges: readonly HistoryRange[]) => this.#history(ranges);
    this.explainer = new Explainer({ clock: this.clock, applier: this.applier, history, stored: () => this.stored });
  }

  async #history(ranges: readonly HistoryRange[]): Promise<MeterHistory[]> {
    this.questions++;
    if (this.fault !== null) throw this.fault;
    // At once: the clock lets everything that waits for a time wait for no time.
    await Promise.resolve();
    const flagsOf = new Map(this.#tables.rows().readings.map(({ ts, flags }) => [ts, flags]));
    const histories = emptyHistories(ranges);
    for (const [i, { from, to }] of ranges.entries()) {
      this.readFrom = Math.min(this.readFrom, from);
      assert.ok(from <= to, `${from} to ${to} is no range`);
      const { readings, exchanges } = histories[i]!;
      for (const { ts, type, value, start, rev } of this.#records) {
        if (ts < from || ts > to) continue;
        this.told++;
        if (type === RecordType.READING) {
          readings.ts.push(ts);
          readings.value.push(value);
          readings.rev.push(rev);
          readings.flags.push(flagsOf.get(ts)!);
        } else {
          exchanges.ts.push(ts);
          exchanges.final.push(value);
          exchanges.start.push(start);
          exchanges.rev.push(rev);
        }
      }
    }
    return histories;
  }

  async ask<T>(period: "reading" | PeriodName, ts: number | string, meter = "m"): Promise<T> {
    const query = { kind: "explain", tenant: "acme", meter, period, ts } as const;
    return JSON.parse(await this.explainer.answer(query, 0)) as T;
  }

  async refusal(period: "reading" | PeriodName, ts: number | string): Promise<string> {
    const error = await this.ask(period, ts).then(
      () => assert.fail("it was answered"),
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof MeterstormError, String(error));
    return `${error.code}: ${error.message}`;
  }
}

function plain<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

/** All figures from `from` on are explained. Returns where the store was first read. */
async function agrees({ settings, inputs }: Series, from = 0): Promise<number> {
  const rows = reference(settings, inputs);
  const shard = new OneMeter(settings, inputs);
  for (const { ts, value, delta, flags, rev } of rows.readings.filter((row) => row.ts >= from)) {
    const explained = await shard.ask<ReadingExplanation>("reading", ts);
    assert.deepEqual(explained.figure, plain({ ts: new Date(ts).toISOString(), value, delta, flags: flagNames(flags), rev }));
    assert.deepEqual(plain(recomputedDelta(explained)), plain(delta));
  }
  const periods = rows.consumption.filter(({ ts }) => ts >= from - 24 * HOUR_MS);
  const step = Math.ceil(periods.length / 20);
  for (const { ts, period, flags, ...row } of periods.filter((_, i) => i % step === 0)) {
    const explained = await shard.ask<PeriodExplanation>(period, ts);
    const figure = plain({ ...row, flags: flagNames(flags) });
    assert.deepEqual(explained.figure, figure, `${period} ${new Date(ts).toISOString()}`);
    assert.deepEqual(plain(recomputedPeriod(explained)), figure);
  }
  return shard.readFrom;
}

test("from what the store holds around a figure comes the figure", async () => {
  await fc.assert(
    fc.asyncProperty(aSeries({ maxSteps: 16 }), async (series) => {
      await agrees(series);
    }),
    { numRuns: 60 },
  );
});

/** So many ordinary readings before and after a series that what lies behind its figures is read from the middle. */
function amid({ inputs, ...series }: Series, count: number): Series {
  const begin = inputs[0]!.ts;
  const lead = Array.from({ length: count }, (_, i) => ({ ts: begin - (count - i) * 600_000, value: 0 }));
  return { ...series, inputs: [...lead, ...inputs] };
}

test("it is judged from the middle of a long history as from its beginning", async () => {
  let inTheMiddle = 0;
  await fc.assert(
    fc.asyncProperty(aSeries({ maxSteps: 12, longGaps: false }), async (series) => {
      fc.pre(series.inputs.length > 0);
      const long = amid(series, 900);
      if ((await agrees(long, series.inputs[0]!.ts)) > long.inputs[0]!.ts) inTheMiddle++;
    }),
    { numRuns: 60 },
  );
  assert.ok(inTheMiddle > 30, `only ${inTheMiddle} were read from the middle`);
});

const START = Date.UTC(2026, 2, 1);

function counter(more: Partial<MeterSettings> = {}): MeterSettings {
  return { ...defaultSettings("UTC"), maxRate: 40, periods: ["quarter", "hour", "day"], ...more };
}

/** A reading each minute. */
function minutes(count: number): Input[] {
  return Array.from({ length: count }, (_, i) => ({ ts: START + i * 60_000, value: i / 100 }));
}

test("little is read for a figure in a long history, and nothing beyond it", async () => {
  const shard = new OneMeter(counter(), minutes(20 * 1440));
  const hour = await shard.ask<PeriodExplanation>("hour", START + 10 * 24 * HOUR_MS);
  assert.equal(hour.figure.value, 0.6);
  assert.ok(shard.told < 2000, `${shard.told} records were read in ${shard.questions} questions`);
});

test("of very many readings the ordinary ones are put together, and their ends tell their sum", async () => {
  const inputs = Array.from({ length: 30_000 }, (_, i) => ({ ts: START + i * 5000, value: i === 9000 ? 5000 : i / 1000 }));
  const shard = new OneMeter(counter(), inputs);
  const day = await shard.ask<PeriodExplanation>("day", START);
  const [first, before, spike, after] = day.records;
  assert.deepEqual(
    day.records.map((record) => record.what),
    ["run", "reading", "run"],
  );
  assert.ok(first!.what === "run" && before!.what === "reading" && spike!.what === "run" && after === undefined);
  assert.deepEqual(recomputedPeriod(day), day.figure);
});

test("what would be too long an answer is refused, and what is long enough is not", async () => {
  const trembling = Array.from({ length: 9_000 }, (_, i) => ({ ts: START + i * 10_000, value: 1_000_000 - (i % 2) / 1000 }));
  const shard = new OneMeter(counter(), trembling);
  assert.match(await shard.refusal("day", START), /^figure_too_large: more than 4000 of the readings/);
  assert.equal((await shard.ask<PeriodExplanation>("hour", START)).figure.value, 0);
  const eachMinute = new OneMeter(counter(), minutes(2000));
  assert.equal((await eachMinute.ask<PeriodExplanation>("day", START)).records.length, 1440);
});

test("what runs is explained as far as it is known", async () => {
  const shard = new OneMeter(counter(), minutes(91));
  const day = await shard.ask<PeriodExplanation>("day", START + 23 * HOUR_MS);
  assert.deepEqual([day.running, day.provisional, day.figure.value, day.figure.flags], [true, true, 0.9, ["PARTIAL"]]);
  const reading = await shard.ask<ReadingExplanation>("reading", START + 90 * 60_000);
  assert.deepEqual([reading.running, reading.next, reading.figure.delta], [true, null, 0.01]);
  assert.equal((await shard.ask<ReadingExplanation>("reading", START + 89 * 60_000)).running, false);
});

test("late inputs that wait are counted", async () => {
  const shard = new OneMeter(counter(), minutes(91));
  assert.equal((await shard.ask<PeriodExplanation>("hour", START)).pending, 0);
  shard.applier.late.add(0, knownReading(START + 1000, 0, 0), 0);
  assert.equal((await shard.ask<PeriodExplanation>("hour", START)).pending, 1);
});

test("what is not there is said with what is", async () => {
  const shard = new OneMeter(counter({ periods: ["hour"], timezone: "Pacific/Apia" }), minutes(91));
  assert.equal(await shard.ask("reading", START, "other"), null);
  assert.equal(
    await shard.refusal("reading", START + 1000),
    'figure_unknown: meter "m" has no reading at 2026-03-01T00:00:01.000Z; nearest are 2026-03-01T00:00:00.000Z and 2026-03-01T00:01:00.000Z',
  );
  assert.equal(
    await shard.refusal("hour", START + 5 * HOUR_MS),
    'figure_unknown: meter "m" has no hour of 2026-03-01T05:00:00.000Z to 2026-03-01T06:00:00.000Z; its records go from 2026-03-01T00:00:00.000Z to 2026-03-01T01:30:00.000Z',
  );
  assert.match(await shard.refusal("hour", START - 5 * HOUR_MS), /^figure_unknown: /);
  assert.match(await shard.refusal("hour", Date.UTC(2050, 0, 1)), /^figure_unknown: /);
  assert.match(await shard.refusal("hour", "2011-12-30"), /^figure_unknown: the zone Pacific\/Apia skipped the date 2011-12-30/);
  assert.equal(await shard.refusal("day", START), 'parameter_invalid: meter "m" keeps no day; its "periods" are hour');
});

test("a store that is away is an answer too", async () => {
  const shard = new OneMeter(counter(), minutes(91));
  shard.stored = -1;
  assert.match(
    await shard.refusal("reading", START),
    /^store_unavailable: the store did not take what was computed before within 5 s/,
  );
  shard.stored = 0;
  shard.fault = new MeterstormError("store_unavailable", "away");
  assert.equal(await shard.refusal("reading", START), "store_unavailable: away");
  shard.fault = null;
  assert.equal((await shard.ask<ReadingExplanation>("reading", START)).rule.case, "first");
});
