import { EntryWriter, Kind, NONE, UnitType } from "../../engine/base/entries.js";
import { entryBytes, viewsOf } from "../../engine/base/entry-views.js";
import type { Directory } from "../state/directory.js";
import type { Renumbered } from "./move-state.js";

/** Which of a shard's numbers an entry names first; null: it makes no row. */
const SUBJECTS: Partial<Record<number, "meters" | "dataloggers">> = {
  [Kind.READING]: "meters",
  [Kind.REWRITE]: "meters",
  [Kind.PERIOD]: "meters",
  [Kind.EXCHANGE]: "meters",
  [Kind.ALERT]: "meters",
  [Kind.REJECT]: "dataloggers",
};

/** Of an ALERT, in words. */
const RULE = 8;

/**
 * Writes what a journal of moved rows begins with: a unit of a repair of nothing. It lies before the first snapshot, so whoever replays it
 * has lost that, and with it all that the shard knew (`recover.ts`).
 */
export function beginMoved(out: EntryWriter, nowMs: number): void {
  out.beginUnit(UnitType.REPAIR, nowMs, NONE, 0, 0, 0);
  out.endUnit(0);
}

/**
 * Rows that a shard's journal still keeps, for a shard to which their meters and dataloggers were moved: the same rows under its numbers.
 * They are units of repairs, since nobody is to work them out again.
 */
export class MovedRows {
  readonly #directory: Directory;
  readonly #moved: Renumbered;
  readonly #out = new EntryWriter();
  #entry = new Uint8Array(0);

  /** `directory`: of the shard that gets them. */
  constructor(directory: Directory, moved: Renumbered) {
    this.#directory = directory;
    this.#moved = moved;
  }

  /** What of these whole units belongs there, as whole units; valid until the next call. */
  of(units: Uint8Array): Uint8Array {
    const out = this.#out;
    out.reset();
    const views = viewsOf(units);
    let arrivalMs = 0;
    let rows = 0;
    const end = () => {
      if (rows > 0) out.endUnit(rows);
      rows = 0;
    };
    for (let at = 0; at < views.u8.length; at += entryBytes(views, at)) {
      const kind = views.u32[at >> 2]! & 0xff;
      if (kind === Kind.UNIT) {
        end();
        arrivalMs = views.f64[(at >> 3) + 1]!;
      }
      const whose = SUBJECTS[kind];
      const number = whose === undefined ? -1 : this.#moved[whose][views.u32[(at >> 2) + 1]!]!;
      if (number < 0) continue;
      if (rows++ === 0) out.beginUnit(UnitType.REPAIR, arrivalMs, NONE, 0, 0, 0);
      this.#copy(kind, views.u8.subarray(at, at + entryBytes(views, at)), number);
    }
    end();
    return out.bytes();
  }

  #copy(kind: number, bytes: Uint8Array, subject: number): void {
    if (this.#entry.length < bytes.length) this.#entry = new Uint8Array(2 * bytes.length);
    const entry = this.#entry.subarray(0, bytes.length);
    entry.set(bytes);
    const words = new Uint32Array(entry.buffer, 0, bytes.length >> 2);
    words[1] = subject;
    if (kind === Kind.ALERT) words[RULE] = this.#rule(words[RULE]!);
    this.#out.entries(entry);
  }

  #rule(number: number): number {
    const id = this.#moved.rules[number]!;
    const known = this.#directory.ruleNumber(id);
    if (known >= 0) return known;
    const next = this.#directory.rules.length;
    this.#directory.addRule(next, id);
    return next;
  }
}
