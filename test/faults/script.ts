import { defaultSettings, type MeterSettings } from "../../engine/base/settings.js";
import type { Input } from "../reference/history.js";

/** What a meter sends at each seq of its datalogger: a function of both alone, so that a frame that is sent again is the same frame. */
export interface ScriptedMeter {
  readonly id: string;
  readonly settings: MeterSettings;
  /** Its inputs in the frame with this seq, in order. */
  at(seq: number): readonly Input[];
}

export const ROUND_MS = 60_000;
/** Registers begin anew after so many rounds. */
const RESET_ROUNDS = 97;

const COUNTER: MeterSettings = { ...defaultSettings("Europe/Madrid"), maxRate: 40, periods: ["quarter", "hour", "day"] };
const GAUGE: MeterSettings = { ...COUNTER, kind: "gauge", decimals: 1, step: 0.1, maxRate: null, periods: ["hour"] };

/** Entries of a configuration by which scripted meters have their settings. */
export const SCRIPTED_METERS = [
  { match: "*-t?", settings: GAUGE },
  { match: "*", settings: COUNTER },
] as const;

/** A client's only rule: on its gauges, with two levels and a band in which nothing changes. */
export const RULE = {
  ...{ id: "high", meters: "*-t?", on: "value", op: ">", clear: 6 },
  levels: [
    { severity: "warning", threshold: 10 },
    { severity: "critical", threshold: 16 },
  ],
} as const;

/** So many rounds later the reading of a round comes; 0: in its own. Some late ones are near, some are far. */
function delayOf(round: number): number {
  if (round % 61 === 20) return 37;
  return round % 7 === 3 ? 3 : 0;
}

/** A register that counts in thousandths and begins anew at times. Odd ones send some readings late, and put others right. */
export function counterMeter(id: string, index: number, startMs: number): ScriptedMeter {
  const reading = (round: number) => {
    const since = round % RESET_ROUNDS;
    const thousandths = since * (20 + index) + ((since * since) % 7);
    return { ts: startMs + round * ROUND_MS, value: thousandths / 1000 };
  };
  const corrected = (round: number) => {
    const { ts, value } = reading(round);
    return { ts, value: Math.max(0, Math.round(value * 1000 - 1) / 1000), rev: 1 };
  };
  const at = (seq: number): Input[] => {
    if (index % 2 === 0) return [reading(seq)];
    const late = [37, 3].filter((rounds) => seq > rounds && delayOf(seq - rounds) === rounds);
    return [
      ...late.map((rounds) => reading(seq - rounds)),
      ...(delayOf(seq) === 0 ? [reading(seq)] : []),
      ...(seq % 11 === 5 ? [corrected(seq - 2)] : []),
    ];
  };
  return { id, settings: COUNTER, at };
}

/** A level that climbs to 20 and falls to 0, over and over. */
export function gaugeMeter(id: string, index: number, startMs: number): ScriptedMeter {
  const at = (seq: number) => {
    const phase = (seq * (1 + (index % 3))) % 40;
    const tenths = 10 * (phase < 20 ? phase : 40 - phase) + (seq % 3);
    return [{ ts: startMs + seq * ROUND_MS, value: tenths / 10 }];
  };
  return { id, settings: GAUGE, at };
}

/** A datalogger's meters: some registers and a gauge. Their ids begin with its name. */
export function scriptedMeters(name: string, counters: number, startMs: number): ScriptedMeter[] {
  return [
    ...Array.from({ length: counters }, (_, i) => counterMeter(`${name}-c${i}`, i, startMs)),
    gaugeMeter(`${name}-t0`, name.length + counters, startMs),
  ];
}
