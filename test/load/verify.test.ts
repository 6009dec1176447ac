import assert from "node:assert/strict";
import { test } from "node:test";
import { Series } from "../../engine/load/series.js";
import { type Expectation, MeterCheck, type MeterFindings, type StoredRow } from "../../engine/load/verify.js";

const series = new Series({
  name: "v",
  dataloggers: 2,
  metersPerDatalogger: 3,
  seed: 1,
  startMs: 1704067200000,
  intervalMs: 60_000,
});
const expected: Expectation = {
  datalogger: 1,
  meter: 2,
  ackedRounds: 8,
  sentRounds: 10,
  rejectedRounds: new Set(),
  deltas: true,
};
const CLEAN: MeterFindings = { found: 8, missing: 0, doubled: 0, changed: 0, foreign: 0, firstFault: null };

function rowsOf(rounds: number[]): StoredRow[] {
  const units = (round: number) => series.valueUnits(1, 2, round);
  return rounds.map((round, i) => ({
    ts: series.tsMs(1, 2, round),
    value: units(round) / 1000,
    delta: i === 0 ? null : (units(round) - units(rounds[i - 1]!)) / 1000,
  }));
}

const ALL = [0, 1, 2, 3, 4, 5, 6, 7];

function check(rows: StoredRow[], expectation = expected): MeterFindings {
  const whole = new MeterCheck(series, expectation);
  whole.take(rows);
  const findings = whole.finish();
  const pieces = new MeterCheck(series, expectation);
  for (const row of rows) pieces.take([row]);
  assert.deepEqual(pieces.finish(), findings);
  return findings;
}

test("rows as they were sent pass, sent but unacked ones with them or without", () => {
  assert.deepEqual(check(rowsOf(ALL)), CLEAN);
  assert.deepEqual(check(rowsOf([...ALL, 8, 9])), CLEAN);
});

test("each acked reading that is missing is counted, wherever it is, and its neighbours are not blamed", () => {
  for (const gone of ALL) {
    const findings = check(rowsOf(ALL).filter((_, round) => round !== gone));
    const text = `v-1-2: the acked reading at ${new Date(series.tsMs(1, 2, gone)).toISOString()} is missing`;
    // Without the first reading the second has a delta all the same: the engine had both.
    assert.deepEqual(findings, { ...CLEAN, found: 7, missing: 1, firstFault: text });
  }
  assert.equal(check([]).missing, 8);
});

test("a doubled row is counted", () => {
  const rows = rowsOf(ALL);
  const findings = check([...rows.slice(0, 4), rows[3]!, ...rows.slice(4)]);
  assert.deepEqual({ ...findings, firstFault: "" }, { ...CLEAN, doubled: 1, firstFault: "" });
  assert.match(findings.firstFault ?? "", /more than once/);
});

test("a changed value or delta is counted, deltas only where they are to be compared", () => {
  const value = rowsOf(ALL).map((row, round) => (round === 5 ? { ...row, value: row.value + 0.001 } : row));
  assert.equal(check(value).changed, 1);
  for (const delta of [null, 0, 1e-9]) {
    const rows = rowsOf(ALL).map((row, round) => (round === 5 ? { ...row, delta } : row));
    assert.equal(check(rows).changed, 1);
    assert.equal(check(rows, { ...expected, deltas: false }).changed, 0);
  }
  const first = rowsOf(ALL).map((row, round) => (round === 0 ? { ...row, delta: row.value } : row));
  assert.equal(check(first).changed, 1);
});

test("a row that nobody sent is counted: between readings, beyond the last sent, out of order", () => {
  const rows = rowsOf(ALL);
  assert.equal(check([rows[0]!, { ts: rows[0]!.ts + 1, value: 1, delta: 1 }, ...rows.slice(1)]).foreign, 1);
  assert.equal(check(rowsOf([...ALL, 8, 9, 10])).foreign, 1);
  assert.equal(check([...rows, rows[2]!]).foreign, 1);
});

test("a refused reading must not be there, and the next delta is counted from the one before it", () => {
  const refused: Expectation = { ...expected, rejectedRounds: new Set([0, 4]) };
  assert.deepEqual(check(rowsOf([1, 2, 3, 5, 6, 7]), refused), { ...CLEAN, found: 6 });
  assert.equal(check(rowsOf([1, 2, 3, 4, 5, 6, 7]), refused).foreign, 1);
});
