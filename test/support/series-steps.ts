import fc from "fast-check";
import { type MeterTimeline, stepAt } from "../../engine/base/settings.js";
import { HOUR_MS, MINUTE_MS } from "../../engine/base/zone.js";
import type { Input } from "../reference/history.js";

const DAY_MS = 24 * HOUR_MS;

/** How long until the next input: the meter's own cadence, or a time, or something about its maxGap. */
type Pause = { is: "cadence" } | { is: "time"; ms: number } | { is: "maxGap"; plusMs: number };

/** What the meter does next. Amounts are steps of the register, or units of its resolution where it says so. */
type Event =
  | { is: "moves"; steps: number; units: number }
  /** This one value is off, the register goes on: some of these in a row are a restart that heals. */
  | { is: "shows"; units: number }
  | { is: "shows off"; units: number }
  /** Halfway between what was shown last and where the register is. */
  | { is: "shows halfway"; units: number }
  /** For good. */
  | { is: "restarts"; units: number }
  /** As far as maxRate lets it, give or take some units. */
  | { is: "moves at maxRate"; units: number }
  | { is: "moves half a turn"; units: number }
  /** Another value at the ts of the last reading. */
  | { is: "contradicts itself"; units: number; rev: number }
  | { is: "is exchanged"; offUnits: number; startUnits: number; atReading: boolean; later: "" | "withdrawn" | "corrected" };

export interface Step {
  pause: Pause;
  event: Event;
  /** Part of a unit that the number carries beyond its resolution. */
  finer: number;
}

export function aStep(largestUnits: number, longGaps: boolean): fc.Arbitrary<Step> {
  const amount = fc.oneof(
    { weight: 6, arbitrary: fc.nat({ max: 20 }) },
    { weight: 3, arbitrary: fc.nat({ max: Math.min(100_000, largestUnits) }) },
    { weight: 1, arbitrary: fc.maxSafeNat().map((n) => n % (largestUnits + 1)) },
  );
  const little = fc.integer({ min: -3, max: 3 });
  return fc.record({
    pause: aPause(longGaps),
    event: fc.oneof(
      { withCrossShrink: true, maxDepth: 1 },
      { weight: 14, arbitrary: fc.record({ is: fc.constant("moves" as const), steps: amount, units: fc.constant(0) }) },
      {
        weight: 3,
        arbitrary: fc.record({ is: fc.constant("moves" as const), steps: little, units: fc.constantFrom(0, 0, 1, -1) }),
      },
      { weight: 3, arbitrary: fc.record({ is: fc.constant("shows" as const), units: fc.oneof(fc.constant(0), amount) }) },
      { weight: 2, arbitrary: fc.record({ is: fc.constant("shows off" as const), units: fc.oneof(amount, amount.map(minus)) }) },
      { weight: 1, arbitrary: fc.record({ is: fc.constant("shows halfway" as const), units: little }) },
      { weight: 1, arbitrary: fc.record({ is: fc.constant("restarts" as const), units: fc.oneof(fc.constant(0), amount) }) },
      { weight: 2, arbitrary: fc.record({ is: fc.constant("moves at maxRate" as const), units: little }) },
      { weight: 1, arbitrary: fc.record({ is: fc.constant("moves half a turn" as const), units: little }) },
      {
        weight: 2,
        arbitrary: fc.record({
          is: fc.constant("contradicts itself" as const),
          units: fc.oneof(little, amount),
          rev: fc.nat({ max: 2 }),
        }),
      },
      { weight: 2, arbitrary: anExchange(amount, little) },
    ),
    finer: fc.constantFrom(0, 0, 0, 0, 0.3, -0.4),
  });
}

function minus(amount: number): number {
  return amount === 0 ? 0 : -amount;
}

function anExchange(amount: fc.Arbitrary<number>, little: fc.Arbitrary<number>): fc.Arbitrary<Event> {
  return fc.record({
    is: fc.constant("is exchanged" as const),
    offUnits: fc.oneof(fc.constant(0), little, amount.map(minus)),
    startUnits: fc.oneof(fc.constant(0), amount),
    atReading: fc.boolean(),
    later: fc.constantFrom("" as const, "" as const, "withdrawn" as const, "corrected" as const),
  });
}

function aPause(longGaps: boolean): fc.Arbitrary<Pause> {
  const time = (...ms: number[]) => fc.constantFrom(...ms).map((each): Pause => ({ is: "time", ms: each }));
  return fc.oneof(
    { withCrossShrink: true, maxDepth: 1 },
    { weight: 30, arbitrary: fc.constant<Pause>({ is: "cadence" }) },
    { weight: 3, arbitrary: time(MINUTE_MS, 1, HOUR_MS, 3 * HOUR_MS) },
    { weight: 3, arbitrary: fc.constantFrom(0, 1, -1).map((plusMs): Pause => ({ is: "maxGap", plusMs })) },
    { weight: 2, arbitrary: time(5 * HOUR_MS, DAY_MS, 47 * HOUR_MS, 3 * DAY_MS) },
    { weight: longGaps ? 1 : 0, arbitrary: time(92 * DAY_MS, 92 * DAY_MS + 1, 20 * DAY_MS, 100 * DAY_MS) },
  );
}

/** What the steps make a meter send. Only counters are exchanged; the others show what they measure, not a sum. */
export function play(
  timeline: MeterTimeline,
  startMs: number,
  start: { fraction: number; units: number },
  cadenceMs: number,
  steps: readonly Step[],
): Input[] {
  const inputs: Input[] = [];
  let ts = startMs;
  let { settings, scale, isCounter, step, modulus } = meterAt(timeline, ts);
  let register = modulus === null ? start.units : Math.floor(start.fraction * modulus);
  let shown = register;

  const show = (units: number, finer: number) => {
    shown = units;
    inputs.push({ ts, value: (units + finer) / scale });
  };
  const move = (units: number) => {
    register = isCounter ? register + units : units;
    if (modulus !== null) register = ((register % modulus) + modulus) % modulus;
  };

  for (const [k, { pause, event, finer }] of steps.entries()) {
    const ms = pause.is === "cadence" ? cadenceMs : pause.is === "time" ? pause.ms : settings.maxGapMs + pause.plusMs;
    const stays = event.is === "contradicts itself" || (event.is === "is exchanged" && event.atReading);
    if (k > 0 && !(stays && inputs.length > 0)) ts += ms;
    ({ settings, scale, isCounter, step, modulus } = meterAt(timeline, ts));
    switch (event.is) {
      case "moves":
        move(event.steps * step + event.units);
        show(register, finer);
        break;
      case "shows":
        show(event.units, finer);
        break;
      case "shows off":
        show(register + event.units, finer);
        break;
      case "shows halfway":
        show(Math.floor((shown + register) / 2) + event.units, finer);
        break;
      case "restarts":
        register = event.units;
        show(register, finer);
        break;
      case "moves at maxRate":
        move(Math.floor(((settings.maxRate ?? 0) * scale * Math.max(ms, HOUR_MS)) / HOUR_MS) + step + event.units);
        show(register, finer);
        break;
      case "moves half a turn":
        move(Math.floor((modulus ?? 0) / 2) + event.units);
        show(register, finer);
        break;
      case "contradicts itself":
        inputs.push({ ts, value: (shown + event.units) / scale, ...(event.rev > 0 && { rev: event.rev }) });
        break;
      case "is exchanged":
        if (!isCounter) break;
        inputs.push(...exchangeInputs(ts, (register + event.offUnits) / scale, event.startUnits / scale, event.later));
        if (event.later !== "withdrawn") register = event.startUnits;
        break;
    }
  }
  return inputs;
}

function meterAt(timeline: MeterTimeline, ts: number) {
  const { settings } = stepAt(timeline, ts);
  const scale = 10 ** settings.decimals;
  return {
    settings,
    scale,
    isCounter: settings.kind === "counter",
    step: Math.round(settings.step * scale),
    modulus: settings.modulus === null ? null : Math.round(settings.modulus * scale),
  };
}

function exchangeInputs(ts: number, final: number, start: number, later: "" | "withdrawn" | "corrected"): Input[] {
  const declared = { ts, exchange: { final, start } };
  if (later === "withdrawn") return [declared, { ts, exchange: null }];
  if (later === "corrected")
    return [
      { ts, exchange: { final: final + 1, start } },
      { ...declared, rev: 1 },
    ];
  return [declared];
}
