import { EntryWriter, Kind } from "../../engine/base/entries.js";
import { entryBytes, viewsOf } from "../../engine/base/entry-views.js";
import { defaultSettings, type Rule } from "../../engine/base/settings.js";
import { emptyObservation, type Observation } from "../../workers/kernels/alert.js";
import { AlertBook } from "../../workers/state/alerts.js";
import type { MicroBench } from "./harness.js";

const START_MS = Date.UTC(2026, 0, 1);
const INTERVAL_MS = 900_000;
const ROUNDS = 3;
/** Every so many meters one fires, and is over the next time. */
const FIRES_EVERY = 1000;
const LIMIT = 100;
/** What a meter with three rules may take: its row, and what time may move. */
const MOST_BYTES_PER_METER = 400;

const rule = (id: string, on: Rule["on"], threshold: number | null): Rule => ({
  ...{ id, on, threshold, meters: "*", op: ">", clear: null, forMs: 0, keepFiringMs: 0 },
  ...{ schedule: null, severity: "warning", levels: [], flag: null },
});
/** A level with two severities, an hour's energy, and data that may be missed. */
export const threeRules: readonly Rule[] = [
  {
    ...rule("level", "value", LIMIT),
    levels: [
      { severity: "warning", threshold: LIMIT },
      { severity: "critical", threshold: 2 * LIMIT },
    ],
  },
  rule("budget", "hour", LIMIT),
  { ...rule("silent", "nodata", null), forMs: 4 * INTERVAL_MS },
];

interface PlainState {
  rule: Rule;
  state: "ok" | "firing";
  since: number;
}

/**
 * A live reading of a meter with three rules: a level, an hour's energy, and data that may be missed. Flat arrays and one wheel of timers;
 * and the plain way, an object for each rule on each meter in a Map, and no timers.
 */
export function alertsBench(meters: number): MicroBench {
  const out = new EntryWriter(1 << 20);
  const seen = emptyObservation();
  const ids = Array.from({ length: meters }, (_, meter) => `meter-${meter}`);
  const book = openBook();
  const plain = new Map(ids.map((id) => [id, threeRules.map((each): PlainState => ({ rule: each, state: "ok", since: 0 }))]));
  let bookRound = 0;
  let plainRound = 0;
  let plainMoves = 0;

  const ours = () => {
    for (const end = bookRound + ROUNDS; bookRound < end; bookRound++) round(book, bookRound);
  };
  const objects = () => {
    for (const end = plainRound + ROUNDS; plainRound < end; plainRound++) {
      for (let meter = 0; meter < meters; meter++) {
        observe(meter, plainRound, seen);
        plainMoves += plainly(plain.get(ids[meter]!)!, seen);
      }
    }
  };
  return {
    name: `alerts of ${meters.toLocaleString("en")} meters, ${book.bytes.toFixed(0)} bytes each`,
    unit: "rule",
    unitsPerRun: meters * ROUNDS * threeRules.length,
    cases: [
      { name: "flat arrays, a wheel of timers", run: ours },
      { name: "an object for each rule in a Map", run: objects },
    ],
    check() {
      if (book.bytes > MOST_BYTES_PER_METER)
        throw new Error(`alerts: ${book.bytes} bytes a meter, ${MOST_BYTES_PER_METER} are allowed`);
      const fresh = openBook();
      round(fresh, 0);
      round(fresh, 1);
      const fired = Math.ceil(meters / FIRES_EVERY);
      if (fresh.transitions !== 2 * fired) throw new Error(`alerts: ${fresh.transitions} transitions, right are ${2 * fired}`);
      // Nobody sends any more: all are missed, once.
      const nowMs = START_MS + INTERVAL_MS + 4 * INTERVAL_MS;
      for (let ticks = 0; fresh.transitions < 2 * fired + meters; ticks++) {
        out.reset();
        if (fresh.tick(nowMs, out, () => 0) === 0 && !fresh.isBehind)
          throw new Error(`alerts: ${fresh.transitions - 2 * fired} of ${meters} were missed after ${ticks} ticks`);
        if (firings() !== out.length / (16 + 48)) throw new Error("alerts: a tick wrote something else than what is missed");
      }
      plainMoves = 0;
      objects();
      if (plainMoves === 0) throw new Error("alerts: the plain way found nothing");
    },
  };

  function openBook(): AlertBook {
    const opened = new AlertBook();
    opened.setRules(0, "client", threeRules);
    const settings = { ...defaultSettings("UTC"), maxRate: 1000 };
    for (let meter = 0; meter < meters; meter++) opened.open(meter, 0, ids[meter]!, settings);
    opened.startClock(START_MS);
    return opened;
  }

  function round(judged: AlertBook, number: number): void {
    out.reset();
    for (let meter = 0; meter < meters; meter++) {
      observe(meter, number, seen);
      judged.live(meter, seen, out, () => 0);
    }
  }

  function firings(): number {
    const views = viewsOf(out.bytes());
    let count = 0;
    for (let at = 0; at < out.length; at += entryBytes(views, at))
      if ((views.u32[at >> 2]! & 0xffff) === (Kind.ALERT | 0x100)) count++;
    return count;
  }
}

function observe(meter: number, round: number, into: Observation): void {
  into.ts = START_MS + round * INTERVAL_MS;
  into.value = meter % FIRES_EVERY === 0 && round % 2 === 0 ? LIMIT + 1 : LIMIT - 1;
  into.delta = 1;
  into.spanMs = INTERVAL_MS;
  into.hour = 1 + (round % 4);
}

/** Returns how many rules moved. */
function plainly(states: PlainState[], seen: Observation): number {
  let moves = 0;
  for (const each of states) {
    const amount = each.rule.on === "value" ? seen.value : each.rule.on === "hour" ? seen.hour : 0;
    const state = amount > (each.rule.threshold ?? 0) ? "firing" : "ok";
    if (each.rule.on === "nodata") each.since = seen.ts;
    else if (state !== each.state) {
      each.state = state;
      each.since = seen.ts;
      moves++;
    }
  }
  return moves;
}
