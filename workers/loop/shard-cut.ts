import { EntryWriter, NameType } from "../../engine/base/entries.js";
import { type Rule, timelineText } from "../../engine/base/settings.js";
import type { AlertCut } from "../state/alerts-cut.js";
import type { Cut } from "../state/cut-records.js";
import type { DirectoryCut } from "../state/directory-cut.js";
import type { Applier } from "./applier.js";

/** Takes bytes of a section; those of one section come in order, those of several in turns. */
export type SectionSink = (section: string, bytes: Uint8Array) => void;

/** NAME entries that are written at once. */
const NAME_BYTES_AT_ONCE = 16 * 1024;

/**
 * A shard's state at one position of its journal, copied bit by bit while the shard goes on: whatever changes something that is not copied
 * yet copies it first. Begun between batches; only one at a time. Sections:
 *
 *     stored       f64: what the store has, where alerts begin that are kept nowhere else, up to where they are
 *     names        NAME entries in order of their numbers       dataloggers  `DirectoryCut`        owners  u32 by meter
 *     meters       `BookCut`                                    alerts, alert-rules  `AlertCut`    late    `LateCut`
 */
export class ShardCut {
  readonly #applier: Applier;
  readonly #put: SectionSink;
  readonly #sweep: Generator<void, void, undefined>;
  /** Bytes that were copied so far, those before changes included. */
  bytes = 0;

  /** `stored` and `position` as `snapshotSections` takes them. */
  constructor(applier: Applier, stored: number, position: number, put: SectionSink) {
    this.#applier = applier;
    this.#put = (section, bytes) => {
      this.bytes += bytes.length;
      put(section, bytes);
    };
    const { directory, told } = applier;
    const reached = new Float64Array([stored, Math.min(told.from, position), told.position]);
    this.#put("stored", new Uint8Array(reached.buffer));
    const names = directory.beginCut(this.#to("dataloggers"));
    const rules = Array.from({ length: directory.tenantCount }, (_, tenant) => applier.alerts.rulesOf(tenant));
    const { length } = applier.settings;
    const book = applier.book.beginCut(this.#to("meters"));
    const alerts = applier.alerts.beginCut(this.#to("alerts"));
    const late = applier.late.beginCut(this.#to("late"));
    this.#sweep = this.#all(names, this.#names(names, rules, length), [late, book], alerts);
  }

  #to(section: string): (bytes: Uint8Array) => void {
    return (bytes) => this.#put(section, bytes);
  }

  /** What changes most often comes first, so that little has to be copied before its turn; what never changes comes last. */
  *#all(
    directory: DirectoryCut,
    names: Generator<void, void, undefined>,
    cuts: readonly Cut[],
    alerts: AlertCut,
  ): Generator<void, void, undefined> {
    for (const cut of cuts) yield* cut.sweep();
    yield* alerts.sweep();
    this.#put("alert-rules", alerts.head());
    yield* directory.sweep();
    yield* names;
    yield* directory.owners(this.#to("owners"));
  }

  *#names(cut: DirectoryCut, rules: readonly (readonly Rule[])[], settingsCount: number): Generator<void, void, undefined> {
    const { directory, settings } = this.#applier;
    const out = new EntryWriter(2 * NAME_BYTES_AT_ONCE);
    const over = (): boolean => {
      if (out.length < NAME_BYTES_AT_ONCE) return false;
      this.#put("names", out.bytes().slice());
      out.reset();
      return true;
    };
    for (let n = 0; n < cut.tenants; n++) {
      out.name(NameType.TENANT, n, 0, directory.tenant(n));
      if (over()) yield;
    }
    for (let n = 0; n < cut.dataloggers; n++) {
      const { tenant, id } = directory.dataloggerState(n);
      out.name(NameType.DATALOGGER, n, tenant, id);
      if (over()) yield;
    }
    for (let n = 0; n < settingsCount; n++) {
      out.name(NameType.SETTINGS, n, 0, timelineText(settings[n]!));
      if (over()) yield;
    }
    for (const [n, each] of rules.entries()) {
      out.name(NameType.RULES, n, n, JSON.stringify(each));
      if (over()) yield;
    }
    for (let n = 0; n < cut.rules; n++) {
      out.name(NameType.RULE, n, 0, directory.rule(n));
      if (over()) yield;
    }
    for (let n = 0; n < cut.meters; n++) {
      out.name(NameType.METER, n, directory.meterTenant(n), directory.meter(n), cut.settingsOf(n));
      if (over()) yield;
    }
    this.#put("names", out.bytes().slice());
  }

  /** Copies until about `maxBytes` more are copied or `isOver` says so. `true`: all is copied. */
  advance(maxBytes = Number.POSITIVE_INFINITY, isOver: () => boolean = () => false): boolean {
    const end = this.bytes + maxBytes;
    while (this.#sweep.next().done !== true) if (this.bytes >= end || isOver()) return false;
    return true;
  }

  /** Nobody copies for it any more. To be called whatever became of it. */
  end(): void {
    const { directory, book, alerts, late } = this.#applier;
    for (const part of [directory, book, alerts, late]) part.endCut();
  }
}
