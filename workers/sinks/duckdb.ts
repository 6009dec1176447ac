import type { MessagePort } from "node:worker_threads";
import { Kind, NONE } from "../../engine/base/entries.js";
import { entryBytes, viewsOf } from "../../engine/base/entry-views.js";
import { invariant, MeterstormError } from "../../engine/base/errors.js";
import {
  type BatchMessage,
  type HistoryMessage,
  type HistoryPiece,
  type NewNames,
  pieceWidth,
  type ShardReply,
} from "../../engine/store/duckdb-messages.js";
import {
  addRow,
  emptyHistories,
  emptyPeriods,
  type HistoryTable,
  PERIOD_TABLES,
  RECORD_TABLES,
  type Told,
} from "../../engine/store/history.js";
import type { HistoryRange, MeterHistory, MeterPeriods, Names, Sink, StoreOutcome } from "../../engine/store/interface.js";

interface Asked {
  readonly id: number;
  readonly told: readonly Told[];
  resolve(): void;
  reject(error: Error): void;
}

/**
 * Entries to the embedded store: each batch is copied once into a buffer that is handed to DuckDB's
 * thread, with the names of the numbers which that thread has not met yet.
 */
export class DuckDbSink implements Sink {
  /** DuckDB's thread dies with the process, and what it was given is done in order. */
  readonly settleMs = 0;
  readonly #names: Names;
  #port: MessagePort;
  #known = new KnownNames();
  #nextId = 1;
  #answer: { id: number; resolve(outcome: StoreOutcome): void } | null = null;
  #asked: Asked | null = null;
  #ended = false;

  constructor(port: MessagePort, names: Names) {
    this.#names = names;
    this.#port = port;
    this.#listen(port);
  }

  /** Goes on over another port after the thread was replaced; an unanswered batch or history has been told `unavailable`. */
  attach(port: MessagePort): void {
    this.#fail();
    this.#port.close();
    this.#port = port;
    this.#known = new KnownNames();
    this.#ended = false;
    this.#listen(port);
  }

  /** Throws InvariantError when called before the last call resolved. */
  write(entries: readonly Uint8Array[]): Promise<StoreOutcome> {
    invariant(this.#answer === null, "a sink was given a batch while the last one was under way");
    if (this.#ended) return Promise.resolve(threadEnded());
    const copy = joined(entries);
    const names = this.#known.take(copy, this.#names);
    const message: BatchMessage = { type: "batch", id: this.#nextId++, entries: copy, names };
    return new Promise((resolve) => {
      this.#answer = { id: message.id, resolve };
      this.#port.postMessage(message, [copy.buffer]);
    });
  }

  /** Throws InvariantError when called before the last call, of this or of `consumption`, resolved. */
  history(ranges: readonly HistoryRange[]): Promise<MeterHistory[]> {
    return this.#ask(RECORD_TABLES, ranges, emptyHistories(ranges));
  }

  consumption(ranges: readonly HistoryRange[]): Promise<MeterPeriods[]> {
    return this.#ask(PERIOD_TABLES, ranges, emptyPeriods(ranges));
  }

  #ask<T extends Told>(tables: readonly HistoryTable[], ranges: readonly HistoryRange[], told: T[]): Promise<T[]> {
    invariant(this.#asked === null, "a sink was asked for a history while the last one was under way");
    if (this.#ended) return Promise.reject(unavailable(threadEnded().message));
    const names = this.#known.takeMeters(ranges, this.#names);
    const message: HistoryMessage = { type: "history", id: this.#nextId++, tables, ranges, names };
    return new Promise((resolve, reject) => {
      this.#asked = { id: message.id, told, resolve: () => resolve(told), reject };
      this.#port.postMessage(message);
    });
  }

  close(): Promise<void> {
    this.#fail();
    this.#port.close();
    return Promise.resolve();
  }

  #listen(port: MessagePort): void {
    port.on("message", (reply: ShardReply) => {
      if (port !== this.#port) return;
      if (reply.type === "batch") this.#answered(reply.id, reply.outcome);
      else if (reply.id === this.#asked?.id) this.#told(this.#asked, reply);
    });
    port.on("close", () => {
      if (port === this.#port) this.#fail();
    });
  }

  #answered(id: number, outcome: StoreOutcome): void {
    if (this.#answer?.id !== id) return;
    const { resolve } = this.#answer;
    this.#answer = null;
    resolve(outcome);
  }

  #told(asked: Asked, reply: Exclude<ShardReply, { type: "batch" }>): void {
    if (reply.type === "piece") {
      addPiece(asked.told, reply);
      return;
    }
    this.#asked = null;
    if (reply.failure === null) asked.resolve();
    else asked.reject(unavailable(reply.failure));
  }

  #fail(): void {
    this.#ended = true;
    const [answer, asked] = [this.#answer, this.#asked];
    this.#answer = null;
    this.#asked = null;
    answer?.resolve(threadEnded());
    asked?.reject(unavailable(threadEnded().message));
  }
}

/** A thread that is gone commits nothing later, so the same batch may simply be sent again. */
function threadEnded(): { ok: false; kind: "unavailable"; message: string } {
  return {
    ok: false,
    kind: "unavailable",
    message: "DuckDB's thread has ended; its file is intact and what was asked of it waits",
  };
}

function unavailable(message: string): MeterstormError {
  return new MeterstormError("store_unavailable", message);
}

function addPiece(told: readonly Told[], { table, rows }: HistoryPiece): void {
  for (let at = 0; at < rows.length; at += pieceWidth(table)) addRow(told[rows[at]!]!, table, rows, at + 1);
}

function joined(entries: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const piece of entries) length += piece.length;
  const copy = new Uint8Array(length);
  let at = 0;
  for (const piece of entries) {
    copy.set(piece, at);
    at += piece.length;
  }
  return copy;
}

/** Which numbers the other side knows already. */
class KnownNames {
  readonly #meters = new NumberSet();
  readonly #dataloggers = new NumberSet();
  readonly #rules = new NumberSet();

  /** The names of numbers met for the first time, which are known from now on. */
  take(entries: Uint8Array, names: Names): NewNames {
    const fresh = {
      meters: [] as NewNames["meters"][number][],
      dataloggers: [] as NewNames["dataloggers"][number][],
      rules: [] as NewNames["rules"][number][],
    };
    const views = viewsOf(entries);
    for (let at = 0; at < entries.length; at += entryBytes(views, at)) {
      const kind = views.u32[at >> 2]! & 0xff;
      const subject = views.u32[(at >> 2) + 1]!;
      // Whoever sent a unit is named too, for the case that a row of it is refused.
      const datalogger = kind === Kind.REJECT ? subject : kind === Kind.UNIT ? views.u32[(at >> 2) + 4]! : NONE;
      if (datalogger !== NONE) {
        if (this.#dataloggers.add(datalogger)) fresh.dataloggers.push({ number: datalogger, ...names.datalogger(datalogger) });
        continue;
      }
      if (!isMeterRow(kind)) continue;
      if (this.#meters.add(subject)) fresh.meters.push(meterOf(subject, names));
      if (kind !== Kind.ALERT) continue;
      const rule = views.u32[(at >> 2) + 8]!;
      if (this.#rules.add(rule)) fresh.rules.push({ number: rule, id: names.rule(rule) });
    }
    return fresh;
  }

  /** As `take`, for the meters of ranges. */
  takeMeters(ranges: readonly HistoryRange[], names: Names): NewNames {
    const fresh = ranges.filter(({ meter }) => this.#meters.add(meter));
    return { meters: fresh.map(({ meter }) => meterOf(meter, names)), dataloggers: [], rules: [] };
  }
}

function meterOf(meter: number, names: Names): NewNames["meters"][number] {
  return { number: meter, tenant: names.tenantOfMeter(meter), id: names.meter(meter) };
}

function isMeterRow(kind: number): boolean {
  switch (kind) {
    case Kind.READING:
    case Kind.REWRITE:
    case Kind.PERIOD:
    case Kind.ALERT:
    case Kind.EXCHANGE:
      return true;
    default:
      return false;
  }
}

/** A set of small whole numbers, one byte each. */
class NumberSet {
  #has = new Uint8Array(1 << 10);

  /** Whether it was not in the set before. */
  add(number: number): boolean {
    if (number >= this.#has.length) {
      const has = new Uint8Array(Math.max(number + 1, this.#has.length * 2));
      has.set(this.#has);
      this.#has = has;
    }
    if (this.#has[number] === 1) return false;
    this.#has[number] = 1;
    return true;
  }
}
