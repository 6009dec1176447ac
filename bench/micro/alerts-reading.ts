import { EntryWriter } from "../../engine/base/entries.js";
import { defaultSettings } from "../../engine/base/settings.js";
import { AlertBook } from "../../workers/state/alerts.js";
import { MeterBook } from "../../workers/state/book.js";
import { threeRules } from "./alerts.js";
import type { MicroBench } from "./harness.js";

const START_MS = Date.UTC(2026, 0, 1);
const INTERVAL_MS = 900_000;
/** So many readings are written before the writer is emptied, as a frame's are. */
const FRAME = 1000;

/**
 * A reading as a shard takes it, from its value to its rows, on meters with three rules each (a level, an hour's energy, data that may be
 * missed) and without: the difference is what rules cost, with what they have to be told of the reading.
 */
export function alertsReadingBench(meters: number): MicroBench {
  const out = new EntryWriter(1 << 20);
  const { book, alerts } = shardOf(meters);
  alerts.startClock(START_MS);
  let round = 0;

  const take = (judged: boolean) => {
    const ts = START_MS + round * INTERVAL_MS;
    for (let meter = 0; meter < meters; meter++) {
      if (meter % FRAME === 0) out.reset();
      // Staggered over the interval, as dataloggers send.
      const at = ts + (meter % INTERVAL_MS);
      book.apply(meter, at, round / 1000, 0, out);
      if (judged) alerts.judge(meter, book, out, () => 0, at);
    }
    round++;
  };
  return {
    name: `a reading of ${meters.toLocaleString("en")} meters`,
    unit: "reading",
    unitsPerRun: meters,
    cases: [
      { name: "with three rules", run: () => take(true) },
      { name: "without rules", run: () => take(false) },
    ],
    difference: { name: "each rule that is judged", unit: "rule", perUnit: threeRules.length },
    check() {
      if (alerts.transitions !== 0)
        throw new Error(`alerts: ${alerts.transitions} transitions of meters that stay below all limits`);
      const moves = transitionsOf([50, 120, 220, 230]);
      // The level is passed twice; 70 and 100 within the hour pass its budget.
      if (moves !== 3) throw new Error(`alerts: ${moves} transitions, right are 3`);
    },
  };
}

function shardOf(meters: number): { book: MeterBook; alerts: AlertBook } {
  const [book, alerts] = [new MeterBook(), new AlertBook()];
  const settings = { ...defaultSettings("UTC"), maxRate: 1000 };
  alerts.setRules(0, "client", threeRules);
  for (let meter = 0; meter < meters; meter++) {
    book.open(meter, settings);
    alerts.open(meter, 0, `meter-${meter}`, settings);
  }
  return { book, alerts };
}

function transitionsOf(values: readonly number[]): number {
  const out = new EntryWriter(1 << 12);
  const { book, alerts } = shardOf(1);
  for (const [i, value] of values.entries()) {
    book.apply(0, START_MS + i * INTERVAL_MS, value, 0, out);
    alerts.judge(0, book, out, () => 0);
  }
  return alerts.transitions;
}
