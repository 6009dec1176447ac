import assert from "node:assert/strict";
import test from "node:test";
import { EntryWriter, ExchangeInfo, Kind } from "../../engine/base/entries.js";
import { entryBytes, viewsOf } from "../../engine/base/entry-views.js";
import { flagNames } from "../../engine/base/flags.js";
import { defaultSettings, type MeterSettings } from "../../engine/base/settings.js";
import { emptyObservation } from "../../workers/kernels/alert.js";
import { Applied, createRunning, MeterBook } from "../../workers/state/book.js";

const KIND_NAMES = Object.fromEntries(Object.entries(Kind).map(([name, kind]) => [kind, name]));
const MINUTE_MS = 60_000;
const START_MS = Date.UTC(2026, 0, 10);
/** Minutes after 2026-01-10T00:00Z. */
const at = (minutes: number) => START_MS + minutes * MINUTE_MS;

function bookOf(given: Partial<MeterSettings> = {}): MeterBook {
  const book = new MeterBook(4);
  book.open(0, { ...defaultSettings("UTC"), ...given });
  return book;
}

/** Entries as lines: kind, minute, value, delta or value, flags; an exchange with what its info says. */
function said(write: (out: EntryWriter) => number): { answer: number; lines: string[] } {
  const out = new EntryWriter(1 << 12);
  const answer = write(out);
  const views = viewsOf(out.bytes());
  const lines: string[] = [];
  for (let offset = 0; offset < views.u8.length; offset += entryBytes(views, offset)) {
    const word = views.u32[offset >> 2]!;
    const f = offset >> 3;
    const minute = (views.f64[f + 1]! - START_MS) / MINUTE_MS;
    const numbers = [views.f64[f + 2]!, views.f64[f + 3]!].filter((_, i) => i === 0 || (word & 0xff) !== Kind.PERIOD);
    const words = (word & 0xff) === Kind.EXCHANGE ? infoNames(word >>> 8) : flagNames(word >>> 8);
    lines.push([KIND_NAMES[word & 0xff], minute, ...numbers, ...words].join(" "));
  }
  return { answer, lines };
}

function infoNames(info: number): string[] {
  return Object.entries(ExchangeInfo).flatMap(([name, bit]) => ((info & bit) === 0 ? [] : [name]));
}

const reading =
  (book: MeterBook, minutes: number, value: number, rev = 0) =>
  (out: EntryWriter) =>
    book.apply(0, at(minutes), value, rev, out);

test("a live reading writes its row, and the one before only when that is decided anew", () => {
  const book = bookOf();
  assert.deepEqual(said(reading(book, 0, 100)), { answer: Applied.LIVE, lines: ["READING 0 100 NaN FIRST"] });
  assert.deepEqual(said(reading(book, 15, 9999)), { answer: Applied.LIVE, lines: ["READING 15 9999 9899"] });
  assert.deepEqual(said(reading(book, 30, 101)), {
    answer: Applied.LIVE,
    lines: ["READING 30 101 1", "REWRITE 15 9999 0 SPIKE"],
  });
  assert.deepEqual(said(reading(book, 45, 102)), { answer: Applied.LIVE, lines: ["READING 45 102 1"] });
});

test("a period's row is written when it closes, and again when the look-ahead changes it", () => {
  const book = bookOf({ periods: ["hour"] });
  said(reading(book, 0, 100));
  assert.deepEqual(said(reading(book, 65, 200)).lines, ["READING 65 200 100", "PERIOD 0 92.308"]);
  assert.deepEqual(said(reading(book, 70, 101)).lines, ["READING 70 101 1", "REWRITE 65 200 0 SPIKE", "PERIOD 0 0.857"]);
});

test("the same value again changes nothing and is kept as an input", () => {
  const book = bookOf();
  said(reading(book, 0, 100));
  said(reading(book, 15, 101, 1));
  assert.deepEqual(said(reading(book, 15, 101, 1)), { answer: Applied.DUPLICATE, lines: ["INPUT 15 101 NaN"] });
  assert.deepEqual(said(reading(book, 15, 101)), { answer: Applied.DUPLICATE, lines: ["INPUT 15 101 NaN"] });
});

test("another value for the newest instant: the one that stands is a row, and every input is written once", () => {
  const book = bookOf();
  said(reading(book, 0, 100));
  said(reading(book, 15, 102));
  assert.deepEqual(said(reading(book, 15, 101)), {
    answer: Applied.REVISED,
    lines: ["INPUT 15 101 NaN", "REWRITE 15 102 2 CONFLICT"],
  });
  assert.deepEqual(said(reading(book, 15, 101.5)), { answer: Applied.DUPLICATE, lines: ["INPUT 15 101.5 NaN"] });
  assert.deepEqual(said(reading(book, 15, 101, 1)), { answer: Applied.REVISED, lines: ["READING 15 101 1 CONFLICT"] });
  assert.deepEqual(said(reading(book, 15, 103)), { answer: Applied.DUPLICATE, lines: ["INPUT 15 103 NaN"] });
});

test("a greater rev of the same value stands against what comes with a lesser one", () => {
  const book = bookOf();
  said(reading(book, 0, 100));
  said(reading(book, 15, 101));
  assert.deepEqual(said(reading(book, 15, 101, 5)), { answer: Applied.REVISED, lines: ["READING 15 101 1"] });
  assert.deepEqual(said(reading(book, 15, 102, 3)).lines, ["INPUT 15 102 NaN", "REWRITE 15 101 1 CONFLICT"]);
});

test("a correction of the newest reading takes back what it had said about the one before", () => {
  const book = bookOf({ periods: ["hour"] });
  said(reading(book, 0, 100));
  said(reading(book, 40, 200));
  assert.deepEqual(said(reading(book, 60, 101)).lines, ["READING 60 101 1", "REWRITE 40 200 0 SPIKE", "PERIOD 0 1 SPIKE"]);
  assert.deepEqual(said(reading(book, 60, 201, 1)).lines, [
    "READING 60 201 1 CONFLICT",
    "REWRITE 40 200 100",
    "PERIOD 0 101 CONFLICT",
  ]);
});

test("a reading between the two newest is worked in at once", () => {
  const book = bookOf();
  said(reading(book, 0, 100));
  said(reading(book, 30, 102));
  assert.deepEqual(said(reading(book, 15, 101, 7)), {
    answer: Applied.INSERTED,
    lines: ["READING 15 101 1", "REWRITE 30 102 1"],
  });
});

test("a reading further back is kept for a repair and moves nothing", () => {
  const book = bookOf();
  said(reading(book, 0, 100));
  said(reading(book, 30, 102));
  said(reading(book, 45, 103));
  const before = book.snapshot();
  assert.deepEqual(said(reading(book, 15, 101, 7)), { answer: Applied.LATE, lines: ["LATE 15 101 NaN"] });
  assert.deepEqual(book.snapshot(), before);
});

test("so is a correction of the second newest: by its value the one before was judged", () => {
  const book = bookOf();
  said(reading(book, 0, 100));
  said(reading(book, 15, 9999));
  said(reading(book, 30, 10000));
  assert.deepEqual(said(reading(book, 45, 102)).lines, ["READING 45 102 NaN RESET QUESTIONABLE"]);
  const before = book.snapshot();
  assert.deepEqual(said(reading(book, 30, 101, 1)), { answer: Applied.LATE, lines: ["LATE 30 101 NaN"] });
  assert.deepEqual(book.snapshot(), before);
  assert.deepEqual(said(reading(book, 30, 9000)).lines, ["INPUT 30 9000 NaN", "REWRITE 30 10000 1 CONFLICT"]);
});

test("so is a reading at the instant of an exchange that was withdrawn before it came", () => {
  const book = bookOf();
  said(reading(book, 0, 100));
  said((out) => book.applyExchange(0, at(15), Number.NaN, Number.NaN, 0, true, out));
  assert.deepEqual(said(reading(book, 15, 101)), { answer: Applied.LATE, lines: ["LATE 15 101 NaN"] });
});

test("an exchange is always written, one behind the newest record for a repair, one that loses as an input", () => {
  const book = bookOf();
  const exchange = (minutes: number, final: number, start: number, rev = 0) =>
    said((out) => book.applyExchange(0, at(minutes), final, start, rev, Number.isNaN(final), out));
  said(reading(book, 0, 500));
  assert.deepEqual(exchange(10, 501, 10), { answer: Applied.LIVE, lines: ["EXCHANGE 10 501 10"] });
  assert.deepEqual(exchange(5, 501, 10), { answer: Applied.LATE, lines: ["EXCHANGE 5 501 10 NO_ROW LATE"] });
  assert.deepEqual(exchange(10, 501, 10), { answer: Applied.DUPLICATE, lines: ["EXCHANGE 10 501 10 NO_ROW"] });
  assert.deepEqual(exchange(10, 502, 10), { answer: Applied.REVISED, lines: ["EXCHANGE 10 502 10"] });
  assert.deepEqual(said(reading(book, 20, 11)).lines, ["READING 20 11 3 EXCHANGE"]);
});

test("values beyond 2^53 units of the resolution are not accepted", () => {
  const book = bookOf({ decimals: 1 });
  assert.equal(book.accepts(0, START_MS, 900_719_925_474_099.2), true);
  assert.equal(book.accepts(0, START_MS, -900_719_925_474_099.2), true);
  assert.equal(book.accepts(0, START_MS, 900_719_925_474_099.5), false);
  assert.equal(book.accepts(0, START_MS, Number.MAX_VALUE), false);
});

test("running tells the newest reading and what its periods have so far", () => {
  const book = bookOf({ periods: ["quarter", "day"] });
  const running = createRunning();
  book.running(0, running);
  assert.deepEqual(running, createRunning());
  said(reading(book, 5, 100));
  said(reading(book, 35, 103, 2));
  book.running(0, running);
  assert.deepEqual(running, {
    ts: at(35),
    value: 103,
    delta: 3,
    flags: 0,
    quarter: { start: at(30), value: 0.5 },
    hour: { start: Number.NaN, value: Number.NaN },
    day: { start: at(0), value: 3 },
  });
});

test("what runs of a gauge is the mean so far, and a reading on a boundary still belongs to the period that ends", () => {
  const book = bookOf({ kind: "gauge", periods: ["hour"] });
  const running = createRunning();
  said(reading(book, 30, 20));
  said(reading(book, 60, 22));
  book.running(0, running);
  assert.deepEqual(running.hour, { start: at(0), value: 21 });
  assert.ok(Number.isNaN(running.delta));
});

test("settled tells the reading before the newest as the newest has decided it", () => {
  const book = bookOf();
  const settled = { ts: 0, delta: 0, flags: 0 };
  said(reading(book, 0, 100));
  book.settled(0, settled);
  assert.ok(Number.isNaN(settled.ts));
  said(reading(book, 15, 9999));
  said(reading(book, 30, 101));
  book.settled(0, settled);
  assert.deepEqual({ ...settled, flags: flagNames(settled.flags) }, { ts: at(15), delta: 0, flags: ["SPIKE"] });
});

test("the alerts see the live reading, its span and the rows that it wrote", () => {
  const book = bookOf({ periods: ["hour"], multiplier: 10 });
  const seen = emptyObservation();
  const reported: [number, number, number][] = [];
  const listener = {
    period: (_: number, period: number, start: number, energy: number) => reported.push([period, start, energy]),
  };
  said(reading(book, 0, 100));
  said(reading(book, 30, 101));
  said(reading(book, 60, 103));
  book.observe(0, seen);
  book.reportPeriods(0, listener);
  const nan = Number.NaN;
  assert.deepEqual(seen, {
    ...{ ts: at(60), at: at(60), value: 103, delta: 20, spanMs: 30 * MINUTE_MS, flags: 0 },
    ...{ previousTs: at(30), previousFlags: 0 },
    ...{ quarter: nan, hour: 30, day: nan },
  });
  assert.deepEqual(reported, [[1, at(0), 30]]);
  reported.length = 0;
  said(reading(book, 65, 104));
  book.reportPeriods(0, listener);
  assert.deepEqual(reported, []);
});

test("a meter with hours and days takes at most 320 bytes of a page", () => {
  const book = bookOf();
  assert.ok(book.bytesPerMeter > 0 && book.bytesPerMeter <= 320, `${book.bytesPerMeter}`);
  const levels = bookOf({ kind: "power", periods: ["quarter", "hour", "day"] });
  assert.ok(levels.bytesPerMeter > book.bytesPerMeter);
});

test("a reading inside the open periods writes its row alone, and the long way round says the same", () => {
  const steady = bookOf();
  const asked = bookOf();
  for (let minute = 0; minute < 300; minute++) {
    const one = said(reading(steady, minute, minute * 0.25, minute % 3));
    // Opening the meter in between and restoring it leaves nothing of what was at hand.
    asked.restore(asked.snapshot());
    assert.deepEqual(said(reading(asked, minute, minute * 0.25, minute % 3)), one);
    if (minute > 3 && minute % 60 > 0) assert.equal(one.lines.length, 1);
  }
  assert.deepEqual(asked.snapshot(), steady.snapshot());
});
