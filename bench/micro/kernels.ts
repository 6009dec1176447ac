import { EntryWriter, Kind } from "../../engine/base/entries.js";
import { entryBytes, viewsOf } from "../../engine/base/entry-views.js";
import { defaultSettings } from "../../engine/base/settings.js";
import { UNITS } from "../../engine/load/series.js";
import { MeterBook } from "../../workers/state/book.js";
import { fleetOf, smallSize } from "../fleet.js";
import { totalsOf } from "../rows.js";
import type { MicroBench } from "./harness.js";

const METERS = 1000;
const ROUNDS = 5;
const CHECKED = METERS * 30;

interface PlainMeter {
  value: number;
  hour: number;
  hourSum: number;
  day: number;
  daySum: number;
}

/**
 * From a reading to its rows: deltas, hours and days by all the rules, in pages of columns; and the
 * plain way, objects in a Map that know nothing but the last value (and spread nothing over periods).
 */
export function kernelsBench(): MicroBench {
  const series = fleetOf({ ...smallSize, clients: 1, meters: METERS });
  const step = Float64Array.from({ length: METERS }, (_, meter) => series.parametersOf(0, meter).step);
  const firstTs = Float64Array.from({ length: METERS }, (_, meter) => series.tsMs(0, meter, 0));
  const base = Float64Array.from({ length: METERS }, (_, meter) => series.parametersOf(0, meter).base);
  const { intervalMs } = series.options;
  const ids = Array.from({ length: METERS }, (_, meter) => series.meterId(0, meter));
  const out = new EntryWriter(1 << 22);
  const book = openBook();
  const plain = new Map<string, PlainMeter>();
  let bookRound = 0;
  let plainRound = 0;
  let rows = 0;

  const ours = () => {
    out.reset();
    for (const end = bookRound + ROUNDS; bookRound < end; bookRound++) {
      for (let meter = 0; meter < METERS; meter++) {
        book.apply(meter, firstTs[meter]! + bookRound * intervalMs, (base[meter]! + bookRound * step[meter]!) / UNITS, 0, out);
      }
    }
  };
  const map = () => {
    for (const end = plainRound + ROUNDS; plainRound < end; plainRound++) {
      for (let meter = 0; meter < METERS; meter++) {
        const ts = firstTs[meter]! + plainRound * intervalMs;
        rows += plainReading(plain, ids[meter]!, ts, (base[meter]! + plainRound * step[meter]!) / UNITS);
      }
    }
  };
  return {
    name: "kernels",
    unit: "reading",
    unitsPerRun: METERS * ROUNDS,
    cases: [
      { name: "all rules, columns", run: ours },
      { name: "last values in a Map", run: map },
    ],
    check() {
      const wanted = totalsOf(series, CHECKED);
      const found = replayed(CHECKED);
      if (found.periods !== wanted.periods || found.deltaUnits !== wanted.deltaUnits || found.hourUnits !== wanted.hourUnits) {
        throw new Error(`kernels: the rows make ${JSON.stringify(found)}, right is ${JSON.stringify(wanted)}`);
      }
      rows = 0;
      map();
      if (rows < METERS * ROUNDS) throw new Error(`kernels: the plain way made ${rows} rows`);
    },
  };

  function openBook(): MeterBook {
    const opened = new MeterBook();
    for (let meter = 0; meter < METERS; meter++) opened.open(meter, defaultSettings("UTC"));
    return opened;
  }

  /** The rows that the first readings of the series leave behind, the last of each identity. */
  function replayed(readings: number): { periods: number; deltaUnits: number; hourUnits: number } {
    const fresh = openBook();
    const writer = new EntryWriter();
    for (let i = 0; i < readings; i++) {
      const meter = i % METERS;
      const round = Math.floor(i / METERS);
      fresh.apply(meter, series.tsMs(0, meter, round), series.valueUnits(0, meter, round) / UNITS, 0, writer);
    }
    const deltas = new Map<string, number>();
    const periods = new Map<string, number>();
    const views = viewsOf(writer.bytes());
    for (let at = 0; at < views.u8.length; at += entryBytes(views, at)) {
      const [u, f] = [at >> 2, at >> 3];
      const kind = views.u32[u]! & 0xff;
      const key = `${views.u32[u + 1]} ${views.f64[f + 1]}`;
      const units = (word: number) => Math.round((views.f64[f + word] || 0) * UNITS);
      if (kind === Kind.READING || kind === Kind.REWRITE) deltas.set(key, units(3));
      if (kind === Kind.PERIOD) periods.set(`${key} ${views.u32[u + 13]}`, units(2));
    }
    const hours = [...periods].filter(([key]) => key.endsWith(" 1"));
    const sum = (values: Iterable<number>) => [...values].reduce((total, value) => total + value, 0);
    return { periods: periods.size, deltaUnits: sum(deltas.values()), hourUnits: sum(hours.map(([, units]) => units)) };
  }
}

/** Returns how many rows the reading makes. */
function plainReading(meters: Map<string, PlainMeter>, id: string, ts: number, value: number): number {
  const hour = Math.floor(ts / 3_600_000);
  const day = Math.floor(ts / 86_400_000);
  const last = meters.get(id);
  if (last === undefined) {
    meters.set(id, { value, hour, hourSum: 0, day, daySum: 0 });
    return 1;
  }
  const delta = value - last.value;
  let made = 1;
  if (hour !== last.hour) {
    made++;
    last.hour = hour;
    last.hourSum = 0;
  }
  if (day !== last.day) {
    made++;
    last.day = day;
    last.daySum = 0;
  }
  last.hourSum += delta;
  last.daySum += delta;
  last.value = value;
  return made;
}
