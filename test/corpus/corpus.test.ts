import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { flagNames } from "../../engine/base/flags.js";
import type { ConsumptionRow, ReadingRow } from "../../engine/store/interface.js";
import { MeterBook } from "../../workers/state/book.js";
import { reference } from "../reference/reference.js";
import { inTimeOrder, tablesOf } from "../state/tables.js";
import { isTrue, othersOf, sumOf } from "./comparison.js";
import { OTHER_RULES } from "./other-rules.js";
import type { Trace } from "./trace.js";
import { corpus } from "./traces.js";

/** Those that others have stumbled over in public. */
const NAMED = [
  "3.737 → 0 → 3.746 kWh",
  "10, 20, 15, 40",
  "a dip of 0.1 under a running total",
  "a restart that reports 0 once",
  "a new meter that starts at 35,000",
  "rollover at 838,860.7",
  "rollover at 99,999.9",
  "−438 kWh once",
  "a register that drops 5 % for good",
  "two readings in the same millisecond",
  "newest first for a week",
  "a clock that jumps a day ahead and back",
];
/** These arrive in another order than that of time. */
const OUT_OF_ORDER = [
  "an exchange that is declared a day late",
  "a correction downwards after the next reading",
  "a batch that was acked and comes again",
  "half an hour that comes after the live reading",
  "a restart's 0 that comes late",
  "newest first for a week",
  "a clock that jumps a day ahead and back",
  "a clock that jumps a day ahead, between readings",
];

test("the corpus has every trace that is promised", () => {
  const names = corpus.map(({ name }) => name);
  assert.ok(names.length >= 40, `only ${names.length} traces`);
  assert.equal(new Set(names).size, names.length);
  assert.deepEqual(
    NAMED.filter((name) => !names.includes(name)),
    [],
  );
  const reordered = corpus.filter(({ arrivals }) => inTimeOrder(arrivals).some((input, i) => input !== arrivals[i]));
  assert.deepEqual(
    reordered.map(({ name }) => name),
    OUT_OF_ORDER,
  );
  assert.ok(corpus.filter(({ consumption }) => consumption !== null).length >= 20);
  for (const { name, origin, why } of corpus) assert.ok(origin.endsWith(".") && why.endsWith("."), name);
});

for (const trace of corpus) {
  const { name, settings, arrivals } = trace;

  test(`the rows of: ${name}`, () => {
    assertRows(trace, reference(settings, arrivals));
  });

  test(`the book's rows of: ${name}`, () => {
    const book = new MeterBook(1);
    book.open(0, settings);
    assertRows(trace, tablesOf(book, 0, inTimeOrder(arrivals)).rows());
  });

  test(`what is said about: ${name}`, () => {
    const { relative, eighth, everyDrop, toZero } = trace.others;
    const others = othersOf(trace, arrivals);
    assert.deepEqual(others, [relative, eighth, everyDrop, toZero]);
    if (trace.flowed === null) return;
    const ours = sumOf(settings, trace.readings);
    assert.ok(isTrue(trace, ours), `${ours.amount} + ${ours.unknown} unknown`);
    assert.ok(
      others.some((amount) => amount !== trace.flowed),
      "it breaks nobody",
    );
  });
}

function assertRows(trace: Trace, { readings, consumption }: { readings: ReadingRow[]; consumption: ConsumptionRow[] }): void {
  assert.deepEqual(readings.map(legible), trace.readings.map(legible));
  if (trace.consumption === null) return;
  assert.deepEqual(
    consumption.map((row) => legible({ ...row, coverage: Number(row.coverage.toFixed(12)) })),
    trace.consumption.map(legible),
  );
}

function legible<T extends { ts: number; flags: number }>({ ts, flags, ...row }: T) {
  return { ts: new Date(ts).toISOString(), ...row, flags: flagNames(flags) };
}

test("each trace breaks one of the other rules, most break three, and no other rule gets half of them right", () => {
  const known = corpus.filter(({ flowed }) => flowed !== null);
  assert.ok(known.length >= 38);
  const wrong = known.map(({ flowed, others }) => Object.values(others).filter((amount) => amount !== flowed).length);
  assert.ok(wrong.every((count) => count >= 1));
  assert.ok(wrong.filter((count) => count >= 3).length > known.length / 2);
  for (const [key, title] of OTHER_RULES) {
    const right = known.filter(({ flowed, others }) => others[key] === flowed).length;
    assert.ok(right < known.length / 2, `${title} is right on ${right} of ${known.length}`);
  }
});

test("the printed comparison has a line for each trace, ours right wherever truth is known", () => {
  const run = spawnSync(process.execPath, [fileURLToPath(new URL("./print.js", import.meta.url))], { encoding: "utf8" });
  assert.equal(run.status, 0, run.stderr);
  const lines = run.stdout.trimEnd().split("\n");
  assert.equal(lines.length, 1 + corpus.length + 2);
  const [titles = "", ...rest] = lines;
  const [oursEnd, trueEnd] = ["ours", "true"].map((title) => titles.indexOf(title) + title.length) as [number, number];
  let known = 0;
  for (const [i, { name, flowed, unknowable, settings, readings }] of corpus.entries()) {
    const line = rest[i] ?? "";
    assert.ok(line.startsWith(`${name}  `), line);
    const truth = line.slice(name.length, trueEnd).trim();
    const ours = line.slice(trueEnd, oursEnd).trim();
    const { amount, unknown } = sumOf(settings, readings);
    assert.equal(ours, unknown === 0 ? String(amount) : `${amount} + ${unknown} unknown`);
    if (flowed === null) {
      assert.equal(truth, "—");
      continue;
    }
    known++;
    assert.equal(truth, unknowable === 0 ? String(flowed) : `${flowed} + ${unknowable} unknown`);
    assert.equal(amount, flowed);
    assert.ok(line.slice(oursEnd).includes("✗"), `${name}: no other rule is marked wrong`);
  }
  assert.match(rest.at(-2) ?? "", new RegExp(`^Right in total, of ${known} traces whose truth can be known: ours ${known}, `));
  assert.match(rest.at(-1) ?? "", /^The same values sorted by time first: /);
});
