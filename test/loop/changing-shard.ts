import { EntryWriter, NONE } from "../../engine/base/entries.js";
import type { MeterTimeline, Rule } from "../../engine/base/settings.js";
import { Applier } from "../../workers/loop/applier.js";
import { restoreSections, snapshotSections } from "../../workers/loop/snapshot-sections.js";
import { MeterBook } from "../../workers/state/book.js";
import { Directory, rememberFrame } from "../../workers/state/directory.js";
import { FIRST_TS, METER_KINDS, plans } from "../simulation/plans.js";

const MINUTE_MS = 60_000;
const plan = { ...plans[0]!, maxMeters: 1_000_000 };
const otherRules: Rule[] = plan.rules
  .slice(1)
  .map((rule) => ({ ...rule, severity: "critical", threshold: (rule.threshold ?? 0) / 2 }));

interface MeterNow {
  ts: number;
  value: number;
  image: number[] | null;
}

/** A change, and three numbers that say more. */
export type Change = readonly [change: string, a: number, b: number, c: number];

/** A shard's state, and every way in which it changes. */
export class ChangingShard {
  readonly applier: Applier;
  readonly #meters: MeterNow[] = [];
  #nowMs = FIRST_TS + 400 * 24 * 60 * MINUTE_MS;
  #seq = 0;

  constructor(meters: number, metersPerPage = 4) {
    this.applier = open(metersPerPage);
    this.#begin();
    this.applier.nameDatalogger(plan.id, "d0");
    this.applier.alerts.startClock(this.#nowMs);
    for (let i = 0; i < meters; i++) this.changes["new meter"]!(0, i, 0);
    for (let round = 0; round < 4; round++) for (let i = 0; i < meters; i++) this.changes["reading"]!(i, round, 10);
  }

  #begin(): void {
    const { out } = this.applier;
    out.reset();
    out.beginUnit(1, this.#nowMs, 0, 0, 0, 0);
    this.applier.arrivalMs = this.#nowMs;
    this.applier.datalogger = 0;
  }

  change([name, a, b, c]: Change): void {
    this.#begin();
    this.changes[name]!(a % this.#meters.length, b, c);
  }

  readonly changes: Record<string, (meter: number, b: number, c: number) => void> = {
    reading: (meter, b, c) => {
      const now = this.#meters[meter]!;
      now.ts += (5 + (b % 7)) * MINUTE_MS;
      now.value += c % 9;
      this.#reading(meter, now.ts, now.value, 0);
    },
    "reading in another hour": (meter, b, c) => {
      const now = this.#meters[meter]!;
      now.ts += (61 + b) * MINUTE_MS;
      now.value += c;
      this.#reading(meter, now.ts, now.value, 0);
    },
    "late reading": (meter, b) => {
      const now = this.#meters[meter]!;
      this.#reading(meter, now.ts - (11 + b) * MINUTE_MS, now.value, 1);
    },
    correction: (meter, b, c) => {
      const now = this.#meters[meter]!;
      this.#reading(meter, now.ts, now.value + (b % 3), c);
    },
    exchange: (meter, b, c) => {
      const now = this.#meters[meter]!;
      if (!this.applier.book.compiled(meter).isCounter) return;
      now.ts += MINUTE_MS;
      this.applier.applyExchange(meter, now.ts, now.value, c, b, false);
      now.value = c;
    },
    "time passes": (_, b) => {
      this.#nowMs += (b % 60) * 1000;
      this.#begin();
      this.applier.tick(this.#nowMs);
    },
    "other rules": (_, b) => {
      this.applier.plans = [{ ...plan, rules: b % 2 === 0 ? plan.rules : otherRules }];
      this.applier.adoptRules();
    },
    "other settings": (meter, b) => {
      const { applier } = this;
      const timeline: MeterTimeline = applier.settings[applier.directory.meterSettings(meter)]!;
      const from = applier.book.decidedUntil(meter) + 1 + b * MINUTE_MS;
      if (!(from > timeline.at(-1)!.from)) return;
      const settings = { ...timeline.at(-1)!.settings, unit: `${timeline.length}` };
      applier.adoptSettings(meter, applier.settingsNumber([...timeline, { from, settings }]));
    },
    "new meter": (_, b, c) => {
      const number = this.#meters.length;
      const datalogger = this.applier.nameDatalogger(plan.id, `d${c % 5}`);
      const id = `${METER_KINDS[b % METER_KINDS.length]}-${number}`;
      this.applier.meter(0, id, number % 3 === 0 ? NONE : datalogger, false);
      this.#meters.push({ ts: FIRST_TS + (b % 50) * MINUTE_MS, value: 1000 + c, image: null });
    },
    frame: (meter, b, c) => {
      const { dataloggers } = this.applier.directory;
      rememberFrame(dataloggers[meter % dataloggers.length]!, ++this.#seq, b, c);
    },
    follow: (meter, b) => this.applier.book.follow(meter, b % 2 === 0),
    "another image": (meter) => {
      const now = this.#meters[meter]!;
      if (now.image !== null) this.applier.book.draw(meter, now.image);
      now.image = this.applier.book.image(meter);
    },
    "earlier beginning": (meter, b) => this.applier.book.beginsAt(meter, FIRST_TS - b * MINUTE_MS),
    repair: (meter, b, c) => {
      const image = c % 2 === 0 ? null : this.applier.book.image(meter);
      const all = b % 3 === 0 ? Number.POSITIVE_INFINITY : this.#meters[meter]!.ts - 15 * MINUTE_MS;
      this.applier.mended(meter, Number.NEGATIVE_INFINITY, all, this.applier.late.count(meter), image, 0);
    },
    owner: (meter) => this.applier.directory.own(meter, 0),
  };

  #reading(meter: number, ts: number, value: number, rev: number): void {
    this.applier.apply(meter, ts, value, rev);
  }

  /** What a snapshot of it holds once it has been read and written again, in words that two of the same state share. */
  static normal(sections: ReadonlyMap<string, Uint8Array>): Record<string, string> {
    const applier = open();
    restoreSections(applier, sections);
    const written = snapshotSections(applier, 0, 0).map(({ name, parts }) => [name, Buffer.concat(parts).toString("base64")]);
    return Object.fromEntries(written) as Record<string, string>;
  }
}

function open(metersPerPage = 4): Applier {
  return new Applier([plan], new EntryWriter(1 << 12), new Directory(), new MeterBook(metersPerPage));
}
