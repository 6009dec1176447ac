import assert from "node:assert/strict";
import fc from "fast-check";
import { Kind } from "../../engine/base/entries.js";
import { Flag } from "../../engine/base/flags.js";
import type { ReadingRow } from "../../engine/store/interface.js";
import { always, HOUR, long, type OpenStore, reading, T0, unit, written } from "./rows.js";
import type { TestNames } from "./test-names.js";

export async function lateCases(open: OpenStore, names: TestNames): Promise<void> {
  const meter = names.meterNumber("acme", "m1");
  const at = (hours: number) => T0 - hours * HOUR;
  await written(
    open,
    unit((w) => {
      for (let i = 1; i <= 5; i++) w.reading(Kind.READING, meter, at(i), 10, 1, 2, Flag.FIRST);
    }),
  );
  await written(
    open,
    unit((w) => {
      w.reading(Kind.LATE, meter, at(0.5), 7, Number.NaN, 0, Flag.QUESTIONABLE);
      w.reading(Kind.LATE, meter, at(1), 10, Number.NaN, 9, Flag.SPIKE); // the same value changes nothing
      w.reading(Kind.LATE, meter, at(2), 11, Number.NaN, 1, Flag.SPIKE); // a lower rev
      w.reading(Kind.LATE, meter, at(3), 9, Number.NaN, 2, Flag.SPIKE); // an equal rev, a lower value
      w.reading(Kind.LATE, meter, at(4), 11, Number.NaN, 2, Flag.SPIKE); // an equal rev, a greater value
      w.reading(Kind.LATE, meter, at(5), 9, Number.NaN, 3, Flag.SPIKE); // a greater rev
      // Within one batch: after a row that the batch brings itself, and after each other.
      w.reading(Kind.READING, meter, at(6), 10, 1, 2, 0);
      w.reading(Kind.LATE, meter, at(6), 11, Number.NaN, 1, 0);
      w.reading(Kind.READING, meter, at(7), 10, 1, 0, 0);
      w.reading(Kind.LATE, meter, at(7), 11, Number.NaN, 1, Flag.SPIKE);
      w.reading(Kind.LATE, meter, at(8), 5, Number.NaN, 1, Flag.SPIKE);
      w.reading(Kind.LATE, meter, at(8), 6, Number.NaN, 0, 0);
      w.reading(Kind.LATE, meter, at(9), 5, Number.NaN, 1, 0);
      w.reading(Kind.REWRITE, meter, at(9), 4, 3, 0, Flag.RESET); // a decision of the kernels stands
    }),
  );
  assert.deepEqual(await open.store.readings("acme", "m1", always, 20), [
    reading(at(9), 4, 3, 0, Flag.RESET),
    reading(at(8), 5, null, 1, Flag.SPIKE),
    reading(at(7), 11, null, 1, Flag.SPIKE),
    reading(at(6), 10, 1, 2, 0),
    reading(at(5), 9, null, 3, Flag.SPIKE),
    reading(at(4), 11, null, 2, Flag.SPIKE),
    reading(at(3), 10, 1, 2, Flag.FIRST),
    reading(at(2), 10, 1, 2, Flag.FIRST),
    reading(at(1), 10, 1, 2, Flag.FIRST),
    reading(at(0.5), 7, null, 0, Flag.QUESTIONABLE),
  ]);
}

export async function manyLate(open: OpenStore, names: TestNames): Promise<void> {
  const meters = Array.from({ length: 40 }, (_, i) => names.meterNumber(i % 2 === 0 ? "acme" : "other", long(`m ${i} ',=\\😀`)));
  const times = Array.from({ length: 50 }, (_, i) => T0 - i * HOUR);
  await written(
    open,
    unit((w) => {
      for (const meter of meters) for (const ts of times) w.reading(Kind.READING, meter, ts, 10, 1, 1, 0);
    }),
  );
  await written(
    open,
    unit((w) => {
      for (const [m, meter] of meters.entries()) {
        for (const [t, ts] of times.entries()) w.reading(Kind.LATE, meter, ts, 20, Number.NaN, (m + t) % 3, 0);
      }
    }),
  );
  for (const [m, meter] of meters.entries()) {
    const rows = await open.store.readings(names.tenantOfMeter(meter), names.meter(meter), always, 100);
    const wanted = times.map((ts, t) => ((m + t) % 3 === 0 ? reading(ts, 10, 1, 1) : reading(ts, 20, null, (m + t) % 3)));
    assert.deepEqual(rows, wanted.reverse());
  }
}

interface Step {
  late: boolean;
  meter: number;
  hour: number;
  value: number;
  rev: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  late: fc.boolean(),
  meter: fc.nat({ max: 1 }),
  hour: fc.nat({ max: 2 }),
  value: fc.nat({ max: 2 }),
  rev: fc.nat({ max: 2 }),
});

/** The rule in its plainest form, over one map. */
export async function lateHistories(open: OpenStore, names: TestNames, runs: number): Promise<void> {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(step, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 3 }),
      async (batches) => {
        const tenant = `t${run++}`;
        const model = new Map<string, ReadingRow>();
        for (const batch of batches) {
          const entries = unit((w) => {
            for (const { late, meter, hour, value, rev } of batch) {
              const ts = T0 + hour * HOUR;
              w.reading(
                late ? Kind.LATE : Kind.READING,
                names.meterNumber(tenant, `m${meter}`),
                ts,
                value,
                late ? Number.NaN : 1,
                rev,
                0,
              );
              const key = `${meter} ${ts}`;
              const old = model.get(key);
              const loses = old !== undefined && (old.value === value || old.rev > rev || (old.rev === rev && old.value > value));
              if (!late || !loses) model.set(key, reading(ts, value, late ? null : 1, rev));
            }
          });
          assert.deepEqual(await open.sink.write([entries]), { ok: true });
        }
        await open.settled();
        for (const meter of [0, 1]) {
          const wanted = [...model].filter(([key]) => key.startsWith(`${meter} `)).map(([, row]) => row);
          const rows = await open.store.readings(tenant, `m${meter}`, always, 100);
          assert.deepEqual(
            rows,
            wanted.sort((a, b) => a.ts - b.ts),
          );
        }
      },
    ),
    { numRuns: runs },
  );
}
