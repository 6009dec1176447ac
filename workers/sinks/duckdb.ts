import type { MessagePort } from "node:worker_threads";
import { entryBytes, Kind, viewsOf } from "../../engine/base/entries.js";
import { invariant } from "../../engine/base/errors.js";
import type { BatchMessage, BatchReply, NewNames } from "../../engine/store/duckdb-messages.js";
import type { Names, Sink, StoreOutcome } from "../../engine/store/interface.js";

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
  #ended = false;

  constructor(port: MessagePort, names: Names) {
    this.#names = names;
    this.#port = port;
    this.#listen(port);
  }

  /** Goes on over another port after the thread was replaced; an unanswered batch has been told `unavailable`. */
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
    const message: BatchMessage = { id: this.#nextId++, entries: copy, names };
    return new Promise((resolve) => {
      this.#answer = { id: message.id, resolve };
      this.#port.postMessage(message, [copy.buffer]);
    });
  }

  close(): Promise<void> {
    this.#fail();
    this.#port.close();
    return Promise.resolve();
  }

  #listen(port: MessagePort): void {
    port.on("message", (reply: BatchReply) => {
      if (port !== this.#port || this.#answer?.id !== reply.id) return;
      const { resolve } = this.#answer;
      this.#answer = null;
      resolve(reply.outcome);
    });
    port.on("close", () => {
      if (port === this.#port) this.#fail();
    });
  }

  #fail(): void {
    this.#ended = true;
    const answer = this.#answer;
    this.#answer = null;
    answer?.resolve(threadEnded());
  }
}

/** A thread that is gone commits nothing later, so the same batch may simply be sent again. */
function threadEnded(): StoreOutcome {
  return { ok: false, kind: "unavailable", message: "DuckDB's thread has ended; its file is intact and the batch waits" };
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
      if (kind === Kind.REJECT) {
        if (this.#dataloggers.add(subject)) fresh.dataloggers.push({ number: subject, ...names.datalogger(subject) });
        continue;
      }
      if (!isMeterRow(kind)) continue;
      if (this.#meters.add(subject)) {
        fresh.meters.push({ number: subject, tenant: names.tenantOfMeter(subject), id: names.meter(subject) });
      }
      if (kind !== Kind.ALERT) continue;
      const rule = views.u32[(at >> 2) + 8]!;
      if (this.#rules.add(rule)) fresh.rules.push({ number: rule, id: names.rule(rule) });
    }
    return fresh;
  }
}

function isMeterRow(kind: number): boolean {
  switch (kind) {
    case Kind.READING:
    case Kind.REWRITE:
    case Kind.LATE:
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
