import { calendarFor } from "../../engine/base/calendar.js";
import { EntryWriter } from "../../engine/base/entries.js";
import { always, defaultSettings } from "../../engine/base/settings.js";
import { CompiledTimeline } from "../../workers/kernels/compiled-timeline.js";
import { type KnownRecord, knownReading, mergedRecords } from "../../workers/state/known-record.js";
import { type KnownStretch, MeterRepair, Repair } from "../../workers/state/meter-repair.js";
import { MeterRun } from "../../workers/state/meter-run.js";
import type { MicroBench } from "./harness.js";

const START_MS = Date.UTC(2026, 0, 1);
const QUARTER_MS = 900_000;
const DAYS = 60;
const PER_DAY = 96;
/** The late one: noon of the thirtieth day. */
const LATE = 30 * PER_DAY + 48;
const CHUNK = 200;

/**
 * One reading a month late in two months of quarter hours: from a place early enough until both runs are alike, or the
 * whole history again. And a history that comes newest first, so many readings at a time before what is known.
 */
export function repairBench(): MicroBench {
  const timeline = new CompiledTimeline(always({ ...defaultSettings("Europe/Madrid"), maxRate: 40 }));
  calendarFor("Europe/Madrid");
  const all = Array.from(
    { length: DAYS * PER_DAY },
    (_, i): KnownRecord => ({
      ...knownReading(START_MS + i * QUARTER_MS, Math.round(i * 0.37 * 1000) / 1000, 0),
      flags: 0,
    }),
  );
  const late = { ...all[LATE]!, flags: -1 };
  const without = all.filter((_, i) => i !== LATE);
  const near = without.slice(LATE - 2 * PER_DAY, LATE + PER_DAY);
  const stretch: KnownStretch = { records: near, from: near[0]!.ts, to: near[near.length - 1]!.ts, sound: false };
  const tail: KnownStretch = {
    records: all.slice(CHUNK, CHUNK + 150),
    from: Number.NEGATIVE_INFINITY,
    to: all[CHUNK + 149]!.ts,
    sound: true,
  };
  const chunk = all.slice(0, CHUNK);
  const out = new EntryWriter(1 << 16);
  let rows = 0;

  const repaired = (known: KnownStretch, lates: readonly KnownRecord[]): void => {
    out.reset();
    const repair = new MeterRepair(timeline, known, lates);
    let state: number;
    do state = repair.advance(64);
    while (state === Repair.GOES_ON);
    if (state !== Repair.DONE) throw new Error(`the repair ended with ${state}`);
    rows = repair.writeRows(0, out);
  };
  const whole = (): void => {
    const run = new MeterRun(timeline);
    for (const record of mergedRecords(without, [late])) run.feed(record);
    rows = run.readings.size;
  };
  return {
    name: "repair of one late reading",
    unit: "repair",
    unitsPerRun: 1,
    cases: [
      { name: "until both runs are alike", run: () => repaired(stretch, [late]) },
      { name: "200 readings before a history", run: () => repaired(tail, chunk) },
      { name: "two months again", run: whole },
    ],
    check() {
      repaired(stretch, [late]);
      // The late one, the one after it, the hour.
      if (rows !== 3 && rows !== 4) throw new Error(`repair: ${rows} rows`);
      repaired(tail, chunk);
      if (rows < CHUNK + 1) throw new Error(`repair: ${rows} rows of a history`);
      whole();
      if (rows !== all.length) throw new Error(`repair: ${rows} readings`);
    },
  };
}
