import { createHash } from "node:crypto";
import type { Severity } from "../../engine/base/entries.js";
import type { Rule } from "../../engine/base/settings.js";
import { hoursChange, hoursOn } from "./wall-clock.js";

/** A row of `alerts` as it is expected. */
export interface ExpectedRow {
  meter: string;
  rule: string;
  incident: string;
  ts: number;
  state: "firing" | "resolved";
  severity: string;
  threshold: number | null;
  value: number | null;
}

/** A reading as a meter of intervals sends it: its amount is its delta, a negative one is QUESTIONABLE. */
interface Seen {
  ts: number;
  amount: number;
}

type Phase = "ok" | "pending" | "firing" | "recovering";

/** One rule on one meter, in words: no arrays, no wheel, everything asked anew each time. */
class PlainMachine {
  rule: Rule;
  readonly #meter: PlainMeter;
  readonly #rows: ExpectedRow[];
  /** Since when the client has the rule for these meters. */
  from: number;
  isGone = false;
  phase: Phase = "ok";
  /** When it moved last. */
  moved = Number.NEGATIVE_INFINITY;
  #began = 0;
  #last: number | null = null;
  #severity: Severity = "info";

  constructor(rule: Rule, meter: PlainMeter, rows: ExpectedRow[], from: number) {
    this.rule = rule;
    this.#meter = meter;
    this.#rows = rows;
    this.from = from;
  }

  /** Energy that ends exactly where the hours end belongs within them. */
  get #before(): number {
    return this.rule.on === "delta" ? 1 : 0;
  }

  #isOn(at: number): boolean {
    return hoursOn(this.rule.schedule, this.#meter.zone, at);
  }

  #hoursEnd(): number {
    const at = this.moved - this.#before;
    return this.#isOn(at) ? hoursChange(this.rule.schedule, this.#meter.zone, at) : this.moved;
  }

  /** The amount of a reading, or null where it is the flag that counts. */
  saw(ts: number, amount: number | null, hasFlag: boolean): void {
    const isOver = ts === this.moved && this.phase === "ok" && this.#before > 0;
    const at = ts < this.moved || isOver ? this.moved + 1 : ts;
    if (this.phase === "pending" && this.#hoursEnd() < at) this.#move("ok", this.#hoursEnd());
    if (this.phase === "firing" && !this.isGone && this.#hoursEnd() < at) this.#stop(this.#hoursEnd());
    if (this.phase === "recovering" && this.moved + this.#keepFiring < at) this.#resolve(this.moved + this.#keepFiring);
    const isOn = !this.isGone && this.#isOn(at - this.#before);
    const isTrue = isOn && (amount === null ? hasFlag : this.#beyond(amount, this.rule.threshold!));
    const isClear = !isOn || (amount === null ? !hasFlag : !this.#beyond(amount, this.rule.clear ?? this.rule.threshold!));
    if (this.phase === "ok" && !isTrue) return;
    if (this.phase !== "ok" && isClear) {
      this.#clear(at, amount);
      return;
    }
    this.#last = amount ?? this.#last;
    if (this.phase === "ok") {
      this.#began = at;
      this.#last = amount;
      this.#move("pending", at);
    }
    const isFirst = this.phase === "pending";
    if (isFirst && isTrue && at - this.moved >= this.rule.forMs) this.#move("firing", at);
    if (this.phase === "recovering" && isTrue) this.#move("firing", at);
    if (this.phase !== "firing") return;
    if (!isFirst && amount === null) return;
    const severity = this.#severityOf(amount);
    if (!isFirst && severity === this.#severity) return;
    this.#severity = severity;
    this.moved = at;
    this.#tell("firing", at, amount);
  }

  #clear(at: number, amount: number | null): void {
    if (this.phase === "pending") this.#move("ok", at);
    else if (this.phase === "firing") {
      this.#move("recovering", at);
      if (this.#keepFiring === 0) this.#resolve(at, amount);
      else this.#last = amount ?? this.#last;
    } else if (at - this.moved >= this.#keepFiring) this.#resolve(at, amount);
    else this.#last = amount ?? this.#last;
  }

  get #keepFiring(): number {
    return this.isGone ? 0 : this.rule.keepFiringMs;
  }

  /** Where a condition stops because of the time. */
  #stop(at: number): void {
    this.#move("recovering", at);
    if (this.#keepFiring === 0) this.#resolve(at);
  }

  #resolve(at: number, amount = this.#last): void {
    this.#move("ok", at);
    this.#tell("resolved", at, amount);
  }

  #move(phase: Phase, at: number): void {
    this.phase = phase;
    this.moved = at;
  }

  get #lag(): number {
    const { watched, arrived, countsMs } = this.#meter;
    if (this.rule.on === "nodata") return 0;
    return watched === null ? Number.POSITIVE_INFINITY : Math.max(0, arrived - watched.ts - this.#before * countsMs);
  }

  /** A live reading arrived at a rule that misses data. */
  arrived(at: number): void {
    if (this.phase === "firing") this.#stop(Math.max(this.moved, this.isGone ? at : Math.min(at, this.#hoursEnd())));
    if (this.phase === "recovering" && this.moved + this.#keepFiring < at) this.#resolve(this.moved + this.#keepFiring);
  }

  /** The engine looks at its clock. */
  tick(now: number): void {
    for (let moves = 0; moves < 1000 && this.#tickOnce(now); moves++);
  }

  #tickOnce(now: number): boolean {
    const isMissing = this.rule.on === "nodata";
    const lag = this.#lag;
    if (this.isGone) {
      if (this.phase === "ok") return false;
      this.#resolve(Math.max(this.moved, now - lag));
      return true;
    }
    if (isMissing && this.phase !== "firing") return this.#miss(now);
    const lasted = this.moved + this.rule.forMs;
    if (this.phase === "pending" && Math.min(lasted, this.#hoursEnd()) + lag <= now) {
      if (this.#hoursEnd() <= lasted) this.#move("ok", this.#hoursEnd());
      else {
        this.#move("firing", lasted);
        this.#severity = this.#severityOf(this.#last);
        this.#tell("firing", lasted, this.#last);
      }
      return true;
    }
    if (this.phase === "firing" && this.#hoursEnd() + lag <= now) {
      this.#stop(this.#hoursEnd());
      return true;
    }
    if (this.phase === "recovering" && this.moved + this.#keepFiring + lag <= now) {
      this.#resolve(this.moved + this.#keepFiring);
      return true;
    }
    return false;
  }

  #miss(now: number): boolean {
    const { arrived, started, expectMs } = this.#meter;
    const from = Math.max(arrived, started, this.from);
    const forMs = this.rule.forMs === 0 ? 2 * (expectMs ?? Number.POSITIVE_INFINITY) : this.rule.forMs;
    let missing = Math.max(from + forMs, this.moved);
    if (Number.isFinite(missing) && !this.#isOn(missing)) missing = hoursChange(this.rule.schedule, this.#meter.zone, missing);
    const over = this.phase === "recovering" ? this.moved + this.#keepFiring : Number.POSITIVE_INFINITY;
    if (Math.min(over, missing) > now) return false;
    if (over < missing) {
      this.#resolve(over);
      return true;
    }
    const isSame = this.phase === "recovering";
    this.#move("firing", missing);
    if (isSame) return true;
    this.#began = missing === from + forMs ? from : missing;
    this.#severity = this.#severityOf(null);
    this.#last = null;
    this.#tell("firing", missing, null);
    return true;
  }

  #beyond(amount: number, threshold: number): boolean {
    const { op } = this.rule;
    return op === ">"
      ? amount > threshold
      : op === ">="
        ? amount >= threshold
        : op === "<"
          ? amount < threshold
          : amount <= threshold;
  }

  #severityOf(amount: number | null): Severity {
    const { levels, severity } = this.rule;
    const reached = levels.filter(({ threshold }) => amount !== null && this.#beyond(amount, threshold));
    return (reached.at(-1) ?? levels[0])?.severity ?? severity;
  }

  #tell(state: "firing" | "resolved", ts: number, value: number | null): void {
    const { id, levels } = this.rule;
    const severity = this.#severity;
    const threshold = levels.find((level) => level.severity === severity)?.threshold ?? this.rule.threshold;
    const hash = createHash("sha256").update(`acme\0${this.#meter.id}\0${id}\0${this.#began}`).digest();
    const incident = hash.readBigUInt64LE(0).toString(16).padStart(16, "0");
    this.#rows.push({ meter: this.#meter.id, rule: id, incident, ts, state, severity, threshold, value });
  }
}

class PlainMeter {
  readonly id: string;
  readonly zone: string;
  readonly expectMs: number | null;
  /** How far behind its ts its energy counts. */
  readonly countsMs: number;
  machines: PlainMachine[] = [];
  arrived: number;
  started = Number.NEGATIVE_INFINITY;
  newest: Seen | null = null;
  /** The same, as far as it came while there were rules for the meter. */
  watched: Seen | null = null;

  constructor(id: string, zone: string, expectMs: number | null, countsMs: number, knownMs: number) {
    this.id = id;
    this.zone = zone;
    this.expectMs = expectMs;
    this.countsMs = countsMs;
    this.arrived = knownMs;
  }

  reading(seen: Seen, arrivalMs: number): void {
    // What lies behind the newest is history.
    if (this.newest !== null && seen.ts <= this.newest.ts) return;
    for (const machine of this.machines) {
      const { on } = machine.rule;
      if (on === "value") machine.saw(seen.ts, seen.amount, false);
      else if (on === "delta") machine.saw(seen.ts + this.countsMs, seen.amount, false);
      else if (on === "nodata") machine.arrived(arrivalMs);
      else if (this.newest !== null) machine.saw(this.newest.ts, null, this.newest.amount < 0);
    }
    this.arrived = arrivalMs;
    this.newest = seen;
    if (this.machines.length > 0) this.watched = seen;
  }
}

const sameRule = (a: Rule, b: Rule) => a.id === b.id && a.on === b.on;
const sameCondition = (a: Rule, b: Rule) =>
  JSON.stringify([a.op, a.threshold, a.clear, a.forMs, a.schedule]) ===
  JSON.stringify([b.op, b.threshold, b.clear, b.forMs, b.schedule]);

/** All alerts of one client as the rules of the house say it, each on its own. */
export class PlainAlerts {
  readonly rows: ExpectedRow[] = [];
  readonly #meters = new Map<string, PlainMeter>();
  readonly #zoneOf: (meter: string) => string;
  readonly #expectOf: (meter: string) => number | null;
  readonly #countsMs: (meter: string) => number;
  readonly #matches: (rule: Rule, meter: string) => boolean;
  #rules: { rule: Rule; from: number }[] = [];
  #started = Number.NEGATIVE_INFINITY;

  constructor(
    zoneOf: (meter: string) => string,
    expectOf: (meter: string) => number | null,
    countsMs: (meter: string) => number,
    matches: (rule: Rule, meter: string) => boolean,
  ) {
    this.#zoneOf = zoneOf;
    this.#expectOf = expectOf;
    this.#countsMs = countsMs;
    this.#matches = matches;
  }

  /** The configuration names it; it counts from here where some rule may miss it. */
  named(meter: string, nowMs: number): void {
    if (this.#rules.some(({ rule }) => rule.on === "nodata" && this.#matches(rule, meter))) this.#meter(meter, nowMs);
  }

  #meter(id: string, nowMs: number): PlainMeter {
    let meter = this.#meters.get(id);
    if (meter === undefined) {
      meter = new PlainMeter(id, this.#zoneOf(id), this.#expectOf(id), this.#countsMs(id), nowMs);
      meter.started = this.#started;
      this.#meters.set(id, meter);
      this.#place(meter);
    }
    return meter;
  }

  setRules(rules: readonly Rule[], nowMs: number): void {
    const before = this.#rules;
    this.#rules = rules.map((rule) => {
      const known = before.find((other) => sameRule(other.rule, rule) && other.rule.meters === rule.meters);
      return { rule, from: known?.from ?? nowMs };
    });
    for (const meter of this.#meters.values()) this.#place(meter);
  }

  #place(meter: PlainMeter): void {
    const old = meter.machines;
    const fresh = this.#rules
      .filter(({ rule }) => this.#matches(rule, meter.id))
      .map(({ rule, from }) => {
        const known = old.find((machine) => sameRule(machine.rule, rule));
        if (known === undefined) return new PlainMachine(rule, meter, this.rows, from);
        if (known.phase === "pending" && !sameCondition(known.rule, rule)) return new PlainMachine(rule, meter, this.rows, from);
        known.rule = rule;
        known.from = from;
        known.isGone = false;
        return known;
      });
    const gone = old.filter((machine) => !fresh.some(({ rule }) => sameRule(rule, machine.rule)));
    for (const machine of gone) machine.isGone = true;
    meter.machines = [...fresh, ...gone.filter(({ phase }) => phase === "firing" || phase === "recovering")];
    if (meter.machines.length === 0) meter.watched = null;
  }

  reading(meter: string, ts: number, amount: number, nowMs: number): void {
    this.#meter(meter, nowMs).reading({ ts, amount }, nowMs);
  }

  tick(nowMs: number): void {
    for (const meter of this.#meters.values()) for (const machine of meter.machines) machine.tick(nowMs);
  }

  started(nowMs: number): void {
    this.#started = nowMs;
    for (const meter of this.#meters.values()) meter.started = nowMs;
  }
}
