import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { CompiledSettings } from "../../workers/kernels/compiled-settings.js";
import { MemoryShard, type StoredRows } from "../support/memory-shard.js";
import { aSeries, type Series } from "../support/series-generator.js";
import { looked } from "./looked.js";

const HOWS = ["amount", "flag", "other", "away"] as const;

/** Which row is another one, and what about it. */
interface Fault {
  pick: number;
  how: (typeof HOWS)[number];
}

/** Flags of a reading that may be planted: whether two values were seen is known from the flag alone. */
const BITS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 10];

/** One of the rows is another one. Raw values are left alone, since some decide nothing; so is the loss of a reading. */
function oneChanged({ readings, consumption }: StoredRows, { pick, how }: Fault): StoredRows {
  if (how !== "away" && pick % 2 === 0) {
    const chosen = (pick >> 1) % readings.length;
    const { delta, flags } = readings[chosen]!;
    const changed = how === "flag" ? { flags: flags ^ (1 << BITS[pick % 10]!) } : { delta: delta === null ? 0 : delta + 1 };
    return { consumption, readings: readings.map((row, i) => (i === chosen ? { ...row, ...changed } : row)) };
  }
  const chosen = (pick >> 1) % consumption.length;
  if (how === "away") return { readings, consumption: consumption.filter((_, i) => i !== chosen) };
  const { value, flags, coverage, readings: count } = consumption[chosen]!;
  const changed = {
    amount: { value: value === null ? 0 : null },
    flag: { flags: flags ^ (1 << (pick % 11)) },
    other: pick % 3 === 0 ? { coverage: coverage + 2 ** -40 } : { readings: count + 1 },
  }[how];
  return { readings, consumption: consumption.map((row, i) => (i === chosen ? { ...row, ...changed } : row)) };
}

let found = 0;

async function isFound({ settings, inputs }: Series, fault: Fault): Promise<void> {
  const shard = new MemoryShard(new Map([["m", settings]]));
  shard.audit();
  await shard.restart();
  try {
    for (const input of inputs) shard.give("m", input);
    await shard.settle();
    shard.store();
    await looked(shard, 12);
    const [from, to] = [shard.audited[0]?.from ?? 0, Math.max(0, ...shard.audited.map((range) => range.to))];
    const compiled = new CompiledSettings(settings);
    const looksAtReading = ({ ts }: { ts: number }) => {
      const at = compiled.isInterval ? compiled.intervalEnd(ts) : ts;
      return at > from && at <= to + 1;
    };
    const looksAtPeriod = ({ ts }: { ts: number }) => ts >= from && ts <= to;
    const isSeen = ({ readings, consumption }: StoredRows) => readings.some(looksAtReading) && consumption.some(looksAtPeriod);
    if (!isSeen(shard.rowsOf("m"))) return;
    shard.tamper = ({ readings, consumption }) => {
      const seen = { readings: readings.filter(looksAtReading), consumption: consumption.filter(looksAtPeriod) };
      const changed = oneChanged(seen, fault);
      return {
        readings: [...readings.filter((row) => !looksAtReading(row)), ...changed.readings].sort((a, b) => a.ts - b.ts),
        consumption: [...consumption.filter((row) => !looksAtPeriod(row)), ...changed.consumption],
      };
    };
    await looked(shard, 60);
    assert.ok(shard.auditor!.mismatches > 0, "nobody noticed");
    assert.equal(shard.warnings.length, shard.auditor!.mismatches);
    found++;
    shard.tamper = (rows) => rows;
    await looked(shard, 100);
    assert.equal(shard.auditor!.mismatches, 0);
  } finally {
    await shard.close();
  }
}

test("any one row of a settled day that is not what it should be is found, whatever the meter went through", async () => {
  const faults = fc.record({ pick: fc.nat(100_000), how: fc.constantFrom(...HOWS) });
  const series = aSeries({ longGaps: false, maxSteps: 40 });
  await fc.assert(fc.asyncProperty(series, faults, isFound), { numRuns: Number(process.env["RUNS"] ?? 100) });
  assert.ok(found > 20, `only ${found} rows were changed`);
});
