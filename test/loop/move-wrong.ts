import { NONE } from "../../engine/base/entries.js";
import { AlertBook } from "../../workers/state/alerts.js";
import { MeterBook } from "../../workers/state/book.js";
import { Directory } from "../../workers/state/directory.js";
import type { WrongMove } from "./move-run.js";

/** As long as the new shards are written one of the methods of all objects of a kind is another one. */
function instead<T extends object, K extends keyof T>(prototype: T, name: K, make: (whole: T[K]) => T[K]): WrongMove {
  return {
    writing: () => {
      const whole = prototype[name];
      prototype[name] = make(whole);
      return () => {
        prototype[name] = whole;
      };
    },
  };
}

/** Where in a meter's image what its open periods have begins, and how many numbers a period has. */
const SUMS_AT = 35;
const SUM_NUMBERS = 10;
const SUM = 3;

/** Ways to get a move wrong, and the message by which each must be found out. */
export const wrongMoves: Record<string, { wrong: WrongMove; found: RegExp }> = {
  "forgets the frames that were taken last": {
    wrong: instead(
      Directory.prototype,
      "addDatalogger",
      (whole) =>
        function (this: Directory, number, tenant, id) {
          whole.call(this, number, tenant, id);
          Object.defineProperty(this.dataloggerState(number), "frames", { get: () => 0, set: () => {} });
        },
    ),
    found: /was used by another frame/,
  },
  "forgets which seq was used last": {
    wrong: instead(
      Directory.prototype,
      "addDatalogger",
      (whole) =>
        function (this: Directory, number, tenant, id) {
          whole.call(this, number, tenant, id);
          Object.defineProperty(this.dataloggerState(number), "lastSeq", { get: () => 0, set: () => {} });
        },
    ),
    found: /was taken twice|was said to be safe after|told 0 where/,
  },
  "forgets what open periods have so far": {
    wrong: instead(
      MeterBook.prototype,
      "draw",
      (whole) =>
        function (this: MeterBook, meter, image) {
          const numbers = [...image];
          for (let at = SUMS_AT; at < numbers.length; at += SUM_NUMBERS) numbers[at + SUM] = 0;
          whole.call(this, meter, numbers);
        },
    ),
    found: /other rows|not th(ose|at) of the rules/,
  },
  "forgets the newest records": {
    wrong: instead(MeterBook.prototype, "draw", () => () => {}),
    found: /other rows|not th(ose|at) of the rules/,
  },
  "forgets when meters began": {
    wrong: instead(MeterBook.prototype, "beginsAt", () => () => {}),
    found: /other rows|not th(ose|at) of the rules|audit|the calendar knows/,
  },
  "forgets how far alerts have come": {
    wrong: instead(AlertBook.prototype, "take", () => () => {}),
    found: /other rows|incident/,
  },
  "forgets whose a meter is": {
    wrong: instead(
      Directory.prototype,
      "addMeter",
      (whole) =>
        function (this: Directory, number, tenant, id, _owner, settings) {
          whole.call(this, number, tenant, id, NONE, settings);
        },
    ),
    found: /did not remember which datalogger sends it|other dataloggers|other rows/,
  },
  "switches before the store has all": {
    wrong: { openSink: (inner) => ({ ...inner, write: () => Promise.resolve({ ok: true }) }) },
    found: /other rows|late inputs/,
  },
  "removes the old shards before the new ones count": { wrong: { removesEarly: true }, found: /./ },
};
