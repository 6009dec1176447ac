import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { calendarFor } from "../../engine/base/calendar.js";
import { decimalParts } from "../../engine/base/decimal.js";
import { PERIODS } from "../../engine/base/entries.js";
import { Flag } from "../../engine/base/flags.js";
import type { MeterKind, MeterSettings } from "../../engine/base/settings.js";
import type { ConsumptionRow, ReadingRow } from "../../engine/store/interface.js";
import { MeterBook } from "../../workers/state/book.js";
import type { Input } from "../reference/history.js";
import { inTimeOrder, tablesOf } from "../state/tables.js";
import { aSeries, type Series } from "../support/series-generator.js";

const DAY_MS = 86_400_000;

/** Beyond this the double of a row says its whole number no more. */
const TOO_LARGE = 2 ** 48;

/** A row's amount before its one division: units, of power half units × ms; a whole number but for the roundings of its double. */
function unitsOf({ kind, decimals, multiplier }: MeterSettings, value: number | null): number {
  const parts = decimalParts(multiplier);
  return ((value ?? 0) * 10 ** (decimals + parts.decimals) * (kind === "power" ? 7_200_000 : 1)) / parts.digits;
}

function whole(settings: MeterSettings, value: number | null): bigint {
  const units = unitsOf(settings, value);
  const nearest = Math.round(units);
  assert.ok(Math.abs(units - nearest) <= Math.max(1e-6, Math.abs(units) * 2 ** -50), `${value} is ${units} units`);
  return BigInt(nearest);
}

function areTellable(settings: MeterSettings, { readings, consumption }: Rows): boolean {
  const amounts = [...readings.map(({ delta }) => delta), ...consumption.map(({ value }) => value)];
  return amounts.every((amount) => Math.abs(unitsOf(settings, amount)) < TOO_LARGE);
}

interface Rows {
  readings: ReadingRow[];
  consumption: ConsumptionRow[];
}

/** What a meter's inputs end in once every day is closed: by a reading so late that its own stretch is spread over none of them. */
function rowsOf(settings: MeterSettings, inputs: readonly Input[]): Rows {
  const last = Math.max(...inputs.map(({ ts }) => ts));
  const book = new MeterBook(1);
  book.open(0, settings);
  return tablesOf(book, 0, inTimeOrder([...inputs, { ts: last + 100 * DAY_MS, value: 0 }])).rows();
}

function hasReading({ inputs }: Series): boolean {
  return inputs.some((input) => "value" in input);
}

for (const kind of ["counter", "interval", "power"] as const satisfies readonly MeterKind[]) {
  const series = aSeries({
    kinds: [kind],
    largestUnits: kind === "power" ? 2 ** 12 : 2 ** 20,
    maxSteps: 30,
    longGaps: false,
  }).filter(hasReading);

  test(`${kind}: quarters add up to their hour and hours to their day, in whole units`, () => {
    let compared = 0;
    const addUp = ({ settings: some, inputs }: Series) => {
      const settings = { ...some, periods: PERIODS };
      const rows = rowsOf(settings, inputs);
      if (!areTellable(settings, rows)) return;
      const { consumption } = rows;
      const calendar = calendarFor(settings.timezone);
      for (const longer of [1, 2]) {
        const sums = new Map<number, bigint>();
        for (const { period, ts, value } of consumption) {
          if (period !== PERIODS[longer - 1]) continue;
          const start = calendar.start(longer, ts);
          sums.set(start, (sums.get(start) ?? 0n) + whole(settings, value));
        }
        const wholes = consumption.filter(({ period }) => period === PERIODS[longer]);
        // No period without a row has anything in it.
        for (const { ts } of wholes) if (!sums.has(ts)) sums.set(ts, 0n);
        for (const [start, sum] of sums) {
          const row = wholes.find(({ ts }) => ts === start);
          assert.equal(whole(settings, row?.value ?? 0), sum, `${PERIODS[longer]} ${new Date(start).toISOString()}`);
          if (sum !== 0n) compared++;
        }
      }
    };
    fc.assert(fc.property(series, addUp), { numRuns: Number(process.env["RUNS"] ?? 200) });
    assert.ok(compared > 200, `only ${compared} sums were compared`);
  });

  test(`${kind}: days add up to the known deltas that were distributed, in whole units`, () => {
    let compared = 0;
    const addUp = ({ settings: some, inputs }: Series) => {
      const settings: MeterSettings = { ...some, periods: ["day"] };
      const rows = rowsOf(settings, inputs);
      if (!areTellable(settings, rows)) return;
      const { readings, consumption } = rows;
      // A stretch that an exchange closed may have been spread though the one after it was not: the flag stands for both.
      const mixed = Flag.EXCHANGE | Flag.UNDISTRIBUTED;
      if (readings.some(({ flags }) => (flags & mixed) === mixed)) return;
      const distributed = readings.filter(({ flags }) => (flags & Flag.UNDISTRIBUTED) === 0);
      const deltas = distributed.reduce((sum, { delta }) => sum + whole(settings, delta), 0n);
      const days = consumption.reduce((sum, { value }) => sum + whole(settings, value), 0n);
      assert.equal(days, deltas);
      if (deltas !== 0n) compared++;
    };
    fc.assert(fc.property(series, addUp), { numRuns: Number(process.env["RUNS"] ?? 200) });
    assert.ok(compared > 30, `only ${compared} series counted anything`);
  });
}
