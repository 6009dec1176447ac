import type { ExplainedRule } from "../../engine/base/explanation.js";
import { Flag } from "../../engine/base/flags.js";
import { limits } from "../../engine/base/limits.js";
import { decimalText, durationText } from "../../engine/base/plain-text.js";
import type { CompiledSettings } from "../kernels/compiled-settings.js";
import { Case, type MeterRecord, RecordType } from "../kernels/record.js";
import type { Judged } from "./explain-run.js";

/** Which case of the rules fitted a record, and why: the numbers in it are the register's own, before the multiplier. */
export function ruleOf({ record, base }: Judged, next: MeterRecord | null): ExplainedRule {
  const { settings } = record;
  const words = new Words(settings, record, base.units, base.ts);
  if (record.type === RecordType.EXCHANGE) return words.exchange(base.read);
  if (settings.isInterval) return words.interval(next);
  if (settings.isLine) return words.line();
  const rule = words.counter(next, base.beforeUnits, base.counted);
  return base.exchanged && record.case !== Case.SPIKE
    ? { case: rule.case, text: `${rule.text}; the baseline is what the exchange declared before it says` }
    : rule;
}

/** The words of one record. */
class Words {
  readonly #settings: CompiledSettings;
  readonly #record: MeterRecord;
  readonly #units: number;
  readonly #baseTs: number;
  readonly #moved: number;
  readonly #bound: number;
  readonly #ms: number;

  constructor(settings: CompiledSettings, record: MeterRecord, baseUnits: number, baseTs: number) {
    this.#settings = settings;
    this.#record = record;
    this.#units = baseUnits;
    this.#baseTs = baseTs;
    this.#moved = record.units - baseUnits;
    this.#bound = Number.isNaN(baseTs) ? Number.NaN : settings.bound(baseTs, record.ts);
    this.#ms = record.ts - baseTs;
  }

  #n(units: number): string {
    return decimalText(units, this.#settings.settings.decimals);
  }

  exchange(isRead: boolean): ExplainedRule {
    const record = this.#record;
    if (Number.isNaN(record.value)) return { case: "withdrawn", text: "an exchange that was withdrawn: it counts nothing" };
    const start = `the new register begins at ${this.#n(record.startUnits)}`;
    if (!isRead) return { case: "exchange", text: `declared before any reading: it closes nothing; ${start}` };
    const final = `the old register's last value ${this.#n(record.units)}`;
    if ((record.flags & Flag.QUESTIONABLE) !== 0) {
      return {
        case: "exchange_unknown",
        text: `${final} does not follow from ${this.#n(this.#units)}: what it counted is unknown; ${start}`,
      };
    }
    return { case: "exchange", text: `${final} − ${this.#n(this.#units)} = ${this.#n(this.#moved)} is counted; ${start}` };
  }

  interval(next: MeterRecord | null): ExplainedRule {
    const { flags, from, at, units } = this.#record;
    const energy = `${this.#n(units)} is the energy of an interval of ${durationText(at - from)}`;
    if ((flags & Flag.QUESTIONABLE) === 0) return { case: "interval", text: energy };
    const doubts: string[] = [];
    if (units < 0 && !this.#settings.net) doubts.push("it is negative");
    const most = this.#settings.mostIn(this.#settings.intervalLength(this.#record.ts));
    if (units > most) doubts.push(`it is above ${this.#n(most)}, the most that maxRate and one step allow`);
    if (from < this.#baseTs || (next !== null && next.from < at)) doubts.push("it overlaps another one");
    return { case: "interval", text: `${energy}; questionable, since ${doubts.join(" and ")}; kept` };
  }

  line(): ExplainedRule {
    const { isPower, maxGapMs } = this.#settings;
    const to = this.#n(this.#record.units);
    if (this.#record.case === Case.PLAIN) {
      return { case: "line", text: `a straight line from ${this.#n(this.#units)} to ${to} over ${durationText(this.#ms)}` };
    }
    const what = isPower ? "energy before it is unknown" : "no line leads to it";
    const why = Number.isNaN(this.#ms)
      ? "no reading came before"
      : `the reading before is ${durationText(this.#ms)} away, more than maxGap ${durationText(maxGapMs)}`;
    return { case: "first", text: `${why}: ${what}` };
  }

  counter(next: MeterRecord | null, beforeUnits: number, counted: number): ExplainedRule {
    switch (this.#record.case) {
      case Case.FIRST:
        return { case: "first", text: "no reading came before: it only sets the baseline" };
      case Case.SPIKE:
        return this.#spike(next);
      case Case.RETURN:
        return this.#return(beforeUnits, counted);
      case Case.BACKWARD:
        return {
          case: "backward",
          text: `d = ${this.#n(this.#moved)} is no less than −${this.#n(this.#settings.jitter)} (two steps): a tremble, counts 0; the baseline stays ${this.#n(this.#units)}`,
        };
      case Case.ROLLOVER:
        return this.#rollover();
      case Case.NEW_EPOCH:
        return this.#newEpoch();
      default:
        return this.#counted();
    }
  }

  #counted(): ExplainedRule {
    const d = `d = ${this.#n(this.#record.units)} − ${this.#n(this.#units)} = ${this.#n(this.#moved)}`;
    const { isBounded, net } = this.#settings;
    if (net) {
      const within = isBounded ? ` is within ±${this.#n(this.#bound)}` : "";
      return { case: "counted", text: `${d}${within}: counted, whatever its sign (net)` };
    }
    return {
      case: "counted",
      text: isBounded ? `${d} lies between 0 and the bound ${this.#n(this.#bound)}: counted` : `${d} is not negative: counted`,
    };
  }

  #spike(next: MeterRecord | null): ExplainedRule {
    const { units } = this.#record;
    const after = next === null ? "the next record" : `the next record (${this.#n(next.units)})`;
    const goesOn = `${after} goes on from the baseline ${this.#n(this.#units)}`;
    if (this.#settings.net) return { case: "spike", text: `${goesOn}, this reading (${this.#n(units)}) does not: passed over` };
    const { jitter } = this.#settings;
    const isDip = units < this.#units - jitter;
    const where = isDip
      ? `lies more than ${this.#n(jitter)} (two steps) below the baseline: a dip`
      : `lies more than ${this.#n(jitter)} (two steps) above the next record: a peak`;
    return { case: "spike", text: `${goesOn}, and ${this.#n(units)} ${where}, passed over; the baseline stays` };
  }

  #return(beforeUnits: number, counted: number): ExplainedRule {
    const { units } = this.#record;
    const grown = units - beforeUnits - counted;
    return {
      case: "return",
      text: `back in the register that showed ${this.#n(beforeUnits)} before it seemed to change: ${this.#n(units)} − ${this.#n(beforeUnits)} − ${this.#n(counted)} counted since = ${this.#n(grown)}${grown < 0 ? ", counts 0" : ", counted"}`,
    };
  }

  #rollover(): ExplainedRule {
    const { modulus } = this.#settings;
    return {
      case: "rollover",
      text: `the register passed ${this.#n(modulus)} and began at 0 again: ${this.#n(modulus)} + d (${this.#n(this.#moved)}) = ${this.#n(modulus + this.#moved)}, counted`,
    };
  }

  #newEpoch(): ExplainedRule {
    const { units, flags, from } = this.#record;
    const d = `d = ${this.#n(this.#moved)}`;
    const { isBounded, net } = this.#settings;
    if (net) {
      return {
        case: "exchange_undeclared",
        text: `${d} is beyond ±${this.#n(this.#bound)}: another register, what it counted is unknown`,
      };
    }
    if ((flags & Flag.RESET) === 0) {
      return {
        case: "exchange_undeclared",
        text: `${d} is above the bound ${this.#n(this.#bound)}: another register, what it counted is unknown`,
      };
    }
    if (!Number.isNaN(from)) {
      return {
        case: "reset",
        text: `${d} is negative and ${this.#n(units)} is no more than the bound ${this.#n(this.#bound)}: the register restarted at 0; ${this.#n(units)} is counted, the least that it can be`,
      };
    }
    const why = isBounded
      ? `${this.#n(units)} cannot have been counted from 0`
      : "without maxRate nothing says how much was counted";
    return { case: "reset_unknown", text: `${d} is negative, and ${why}: unknown` };
  }
}

/** Why a reading carries a flag. */
export function flagWhy({ record, base }: Judged, flag: number): string {
  const { settings } = record;
  switch (flag) {
    case Flag.FIRST:
      return settings.isPower
        ? "no reading before it is near enough for a line"
        : settings.series > 0
          ? "it is the first reading since the settings say that the register is another one: nothing to compare it with"
          : "it is the first reading: nothing to compare it with";
    case Flag.BACKWARD:
      return "the register seemed to run backwards by two steps at most";
    case Flag.ROLLOVER:
      return "the register passed its modulus";
    case Flag.RESET:
      return record.case === Case.RETURN
        ? "the register is back where it was before it seemed to restart"
        : base.exchanged && record.case !== Case.NEW_EPOCH
          ? "carried over from before an exchange"
          : "the register fell: it restarted";
    case Flag.EXCHANGE:
      if (record.type === RecordType.EXCHANGE) return "an exchange of the meter was declared";
      return base.exchanged
        ? "an exchange of the meter was declared since the reading before"
        : "the register jumped further than it can count: another meter";
    case Flag.SPIKE:
      return "a single value far off, passed over";
    case Flag.QUESTIONABLE:
      return questionable({ record, base });
    case Flag.CONFLICT:
      return "two different values were sent for this instant; the one with the greater rev stands, of equal ones the greater value";
    case Flag.UNDISTRIBUTED:
      return `it comes more than ${durationText(limits.maxSpreadMs)} after what it is compared with: its delta is spread over no period`;
    default:
      return "";
  }
}

function questionable({ record, base }: Judged): string {
  if (record.settings.isInterval) return "it overlaps another interval, or is more or less than an interval can hold";
  if (record.type === RecordType.EXCHANGE || (base.closedFlags & Flag.QUESTIONABLE) !== 0) {
    return "the final value of a declared exchange does not follow from the reading before it";
  }
  return "what the register counted before it fell is unknown";
}
