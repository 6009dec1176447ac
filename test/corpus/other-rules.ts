import type { Input } from "../reference/history.js";
import type { OtherSums } from "./trace.js";

/**
 * How other systems make a total of a register's values, each rule ported in a few lines from what it does. They take values in the
 * order in which they arrive and do not sort; no word about an exchange and no `rev` reaches them. It is the rule that is compared, not
 * the database around it: some of those refuse a value that comes late, others sort before a query.
 */

type Rule = (values: readonly number[]) => number;

/**
 * Home automation ("total increasing" sensors): below 90 % of the last value the register has restarted at 0; a smaller drop counts as
 * it is, so it takes away. Negative values are passed over.
 */
export function relative(values: readonly number[]): number {
  let [last = 0] = values;
  let sum = 0;
  for (const value of values.slice(1)) {
    if (value < 0) continue;
    sum += value < 0.9 * last ? value : value - last;
    last = value;
  }
  return sum;
}

/**
 * Time series databases that forgive partial restarts: a drop of less than an eighth of the last value counts nothing and the register
 * goes on from there; a larger one is a restart at 0. The corrected total never falls.
 */
export function eighth(values: readonly number[]): number {
  const [first = 0] = values;
  let last = first;
  let correction = 0;
  let total = first;
  for (const value of values) {
    if (value < last) correction += 8 * (last - value) < last ? last - value : last;
    last = value;
    total = Math.max(total, value + correction);
  }
  return total - first;
}

/** Counters of process monitoring (`increase`, without its extrapolation): every drop is a restart at 0, however small. */
export function everyDrop(values: readonly number[]): number {
  let [last = 0] = values;
  let sum = 0;
  for (const value of values.slice(1)) {
    sum += value < last ? value : value - last;
    last = value;
  }
  return sum;
}

/** Energy and cost add-ons: a register restarts only where it shows exactly 0; any other drop takes away. */
export function toZero(values: readonly number[]): number {
  let [last = 0] = values;
  let sum = 0;
  for (const value of values.slice(1)) {
    if (value !== 0 || last < 0) sum += value - last;
    last = value;
  }
  return sum;
}

export const OTHER_RULES: readonly (readonly [key: keyof OtherSums, title: string, rule: Rule])[] = [
  ["relative", "relative 90 %", relative],
  ["eighth", "1/8 drop", eighth],
  ["everyDrop", "every drop", everyDrop],
  ["toZero", "drop to zero", toZero],
];

/** The values of a trace in its order. */
export function valuesOf(arrivals: readonly Input[]): number[] {
  return arrivals.flatMap((arrival) => ("value" in arrival ? [arrival.value] : []));
}
