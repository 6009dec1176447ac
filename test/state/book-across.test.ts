import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { EntryWriter } from "../../engine/base/entries.js";
import { defaultSettings } from "../../engine/base/settings.js";
import { emptyObservation, type Observation } from "../../workers/kernels/alert.js";
import { Applied, MeterBook } from "../../workers/state/book.js";
import { RowWriter } from "../../workers/state/meter-rows.js";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Days begin and end with the clock, by half hours, with the day's beginning skipped, at odd offsets. */
const ZONES = ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu", "Africa/Cairo"];
/** Near transitions of most of them. */
const STARTS = [Date.UTC(2025, 2, 28), Date.UTC(2025, 9, 3), Date.UTC(2018, 10, 2), Date.UTC(2026, 0, 1), Date.UTC(2025, 3, 24)];
const CADENCES = [MINUTE_MS, 5 * MINUTE_MS, 7 * MINUTE_MS + 11, 15 * MINUTE_MS, 29 * MINUTE_MS, HOUR_MS, 90 * MINUTE_MS];

const series = fc.record({
  zone: fc.constantFrom(...ZONES),
  start: fc.constantFrom(...STARTS),
  offset: fc.constantFrom(0, 1, 90_000, 299_999),
  periods: fc.constantFrom(["hour", "day"] as const, ["quarter", "hour", "day"] as const, ["hour"] as const, ["day"] as const),
  steps: fc.array(
    fc.record({
      cadence: fc.constantFrom(...CADENCES),
      count: fc.integer({ min: 1, max: 40 }),
      amount: fc.oneof(fc.integer({ min: 0, max: 5_000 }), fc.constant(-700)),
    }),
    { minLength: 1, maxLength: 6 },
  ),
});

/** What the alerts see, with energies of these periods. */
function observed(book: MeterBook, periods: number): Observation {
  const into = emptyObservation();
  book.observe(0, into, periods);
  return into;
}

test("across the ends of periods the short way writes the very bytes of the long way, leaves the same state, and shows the alerts the same", () => {
  let across = 0;
  const write = RowWriter.prototype.writeOpen;
  RowWriter.prototype.writeOpen = function (...given) {
    across++;
    write.apply(this, given);
  };
  try {
    fc.assert(
      fc.property(series, fc.nat(7), ({ zone, start, offset, periods, steps }, asked) => {
        const settings = { ...defaultSettings(zone), periods: [...periods], maxRate: 60 };
        const [short, long] = [new MeterBook(4), new MeterBook(4)];
        short.open(0, settings);
        long.open(0, settings);
        // A meter that is followed never goes the short way.
        long.follow(0, true);
        let ts = start + offset;
        let units = 1_000_000;
        for (const { cadence, count, amount } of steps) {
          for (let i = 0; i < count; i++) {
            ts += cadence;
            units += amount;
            const wrote = [short, long].map((book) => {
              const out = new EntryWriter(1 << 10);
              const answer = book.apply(0, ts, units / 1000, 0, out);
              const rows: number[] = [];
              book.reportPeriods(0, { period: (...row) => void rows.push(...row) });
              const seen = answer === Applied.LIVE ? observed(book, asked) : null;
              return { answer, rows, bytes: Buffer.from(out.bytes()).toString("hex"), seen };
            });
            assert.deepEqual(wrote[0], wrote[1]);
          }
          assert.deepEqual(short.image(0), long.image(0));
        }
      }),
      { numRuns: 1_000 },
    );
  } finally {
    RowWriter.prototype.writeOpen = write;
  }
  assert.ok(across > 1_000, `only ${across} rows were written by the short way`);
});
