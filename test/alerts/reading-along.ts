import { EntryWriter, Kind, SEVERITIES } from "../../engine/base/entries.js";
import { entryBytes, viewsOf } from "../../engine/base/entry-views.js";
import { defaultSettings, type MeterSettings, type Rule } from "../../engine/base/settings.js";
import { emptyObservation, type Observation } from "../../workers/kernels/alert.js";
import { AlertBook } from "../../workers/state/alerts.js";

/** One transition as its entry says it. */
export interface Transition {
  meter: number;
  rule: string;
  ts: number;
  state: "firing" | "resolved";
  value: number;
  threshold: number;
  severity: string;
  incident: string;
}

export const rule = (fields: Partial<Rule>): Rule => ({
  id: "r",
  meters: "*",
  on: "value",
  op: ">",
  threshold: 10,
  clear: null,
  forMs: 0,
  keepFiringMs: 0,
  schedule: null,
  severity: "warning",
  levels: [],
  flag: null,
  ...fields,
});

export const settings = (fields: Partial<MeterSettings> = {}): MeterSettings => ({ ...defaultSettings("UTC"), ...fields });

/** A book whose transitions are read back from the entries that it wrote. */
export class Harness {
  book = new AlertBook();
  readonly #out = new EntryWriter(4096);
  readonly #rules: string[] = [];
  readonly #number = (id: string): number => {
    if (!this.#rules.includes(id)) this.#rules.push(id);
    return this.#rules.indexOf(id);
  };

  /** The transitions that one live reading wrote. */
  live(meter: number, seen: Partial<Observation>): Transition[] {
    this.#out.reset();
    this.book.live(
      meter,
      {
        ...emptyObservation(),
        delta: Number.NaN,
        at: seen.ts ?? 0,
        quarter: Number.NaN,
        hour: Number.NaN,
        day: Number.NaN,
        ...seen,
      },
      this.#out,
      this.#number,
    );
    return this.#transitions();
  }

  #transitions(): Transition[] {
    const views = viewsOf(this.#out.bytes());
    const found: Transition[] = [];
    for (let at = 0; at < views.u8.length; at += entryBytes(views, at)) {
      const [u, f] = [at >> 2, at >> 3];
      const info = views.u32[u]!;
      if ((info & 0xff) !== Kind.ALERT) throw new Error(`an entry of kind ${info & 0xff}`);
      const half = (index: number) => views.u32[u + index]!.toString(16).padStart(8, "0");
      found.push({
        meter: views.u32[u + 1]!,
        ts: views.f64[f + 1]!,
        value: views.f64[f + 2]!,
        threshold: views.f64[f + 3]!,
        rule: this.#rules[views.u32[u + 8]!]!,
        state: ((info >>> 8) & 1) === 1 ? "firing" : "resolved",
        severity: SEVERITIES[info >>> 16]!,
        incident: half(11) + half(10),
      });
    }
    return found;
  }

  /** Goes on in a new book from a snapshot of this one, the meters and rules given anew. */
  restart(open: (book: AlertBook) => void): void {
    const pieces = this.book.snapshot().map((piece) => piece.slice());
    this.book = new AlertBook();
    open(this.book);
    this.book.restore(pieces);
  }
}
