import { invariant } from "../base/errors.js";
import type { MeterReading } from "../client/datalogger.js";
import type { DemoMeter } from "./clients.js";
import { HOUR_MS, RECORDED_DECIMALS, type Recorded } from "./recorded.js";

const UNITS = 10 ** RECORDED_DECIMALS;
const HOURS_PER_WEEK = 168;

/**
 * The readings of one meter, hour by hour: what a device would have sent while the series was
 * recorded. Sums are whole thousandths, so that a register is exact after any number of hours.
 */
export class MeterSource {
  readonly #meter: DemoMeter;
  readonly #recorded: Recorded;
  #hour = 0;
  #register: number;

  constructor(meter: DemoMeter, recorded: Recorded) {
    invariant(meter.begins < meter.modulus, "a register begins below the value at which it rolls over");
    this.#meter = meter;
    this.#recorded = recorded;
    this.#register = meter.begins;
  }

  /** Hours that the series has. */
  get hours(): number {
    return this.#recorded.thousandths.length;
  }

  /** The reading at the end of the next hour, or null after the last. */
  next(): MeterReading | null {
    const { thousandths, startMs } = this.#recorded;
    const { id, sends, weeksAhead, percent, modulus, misreadEveryDays } = this.#meter;
    if (this.#hour >= thousandths.length) return null;
    const hour = this.#hour++;
    const recorded = thousandths[(hour + weeksAhead * HOURS_PER_WEEK) % thousandths.length]!;
    if (sends === "level") return { meter: id, ts: startMs + hour * HOUR_MS, value: recorded / UNITS };

    const ts = startMs + (hour + 1) * HOUR_MS;
    const energy = Math.round((recorded * percent) / 100);
    if (sends === "interval") return { meter: id, ts, value: energy / UNITS };
    this.#register = (this.#register + energy) % modulus;
    const misread = misreadEveryDays > 0 && (hour + 1) % (misreadEveryDays * 24) === 12;
    return { meter: id, ts, value: misread ? 0 : this.#register / UNITS };
  }
}
