import { ExchangeInfo, Kind, NAME_BYTES, NONE, STATE_BYTES, UnitType } from "../../engine/base/entries.js";
import { type EntryViews, entryBytes, viewsOf } from "../../engine/base/entry-views.js";
import { MeterstormError, messageOf } from "../../engine/base/errors.js";
import { unitBytes } from "../journal/block.js";
import { rememberFrame } from "../state/directory.js";
import type { Applier } from "./applier.js";

/** Kinds whose bytes a replay must bring forth again exactly. */
const COMPARED: ReadonlySet<number> = new Set([
  Kind.READING,
  Kind.REWRITE,
  Kind.INPUT,
  Kind.LATE,
  Kind.PERIOD,
  Kind.ALERT,
  Kind.EXCHANGE,
  Kind.TICKED,
]);

/** A byte order mark at the beginning of a name is part of it. */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * Feeds the inputs of journaled units to the same kernels again and holds what they bring forth against what was
 * journaled. A difference means that the state is not what the rows came from: the shard must not bill from it.
 */
export class Replayer {
  readonly #applier: Applier;
  /** Last STORED position seen. */
  stored: number;
  units = 0;

  constructor(applier: Applier, stored: number) {
    this.#applier = applier;
    this.stored = stored;
  }

  /** Whole units; throws `journal_differs` where the recomputed rows are not the journaled ones. */
  replay(bytes: Uint8Array): void {
    const views = viewsOf(bytes);
    for (let at = 0; at < views.u8.length; ) {
      const size = unitBytes(views.u8, at);
      try {
        this.#unit(views.u8.subarray(at, at + size));
      } catch (error) {
        throw error instanceof MeterstormError ? error : unitImpossible(error);
      }
      at += size;
      this.units++;
    }
  }

  #unit(bytes: Uint8Array): void {
    const views = viewsOf(bytes);
    const { u32, f64 } = views;
    if (u32[0]! >>> 8 === UnitType.REPAIR) {
      replayRepair(this.#applier, views);
      return;
    }
    const datalogger = u32[4]!;
    const out = this.#applier.out;
    this.#applier.datalogger = datalogger;
    this.#applier.arrivalMs = f64[1]!;
    if (u32[0]! >>> 8 === UnitType.START) this.#applier.alerts.started(f64[1]!);
    out.reset();
    for (let at = entryBytes(views, 0); at < bytes.length; at += entryBytes(views, at)) {
      const word = at >> 2;
      const double = at >> 3;
      const kind = u32[word]! & 0xff;
      if (kind === Kind.NAME) this.#name(views.u8, u32, f64, at, datalogger);
      else if (kind === Kind.READING || kind === Kind.INPUT || kind === Kind.LATE) {
        this.#applier.apply(u32[word + 1]!, f64[double + 1]!, f64[double + 2]!, u32[word + 8]!);
      } else if (kind === Kind.EXCHANGE) {
        const withdrawn = ((u32[word]! >>> 8) & ExchangeInfo.WITHDRAWN) !== 0;
        const [ts, final, start] = [f64[double + 1]!, f64[double + 2]!, f64[double + 3]!];
        this.#applier.applyExchange(u32[word + 1]!, ts, final, start, u32[word + 8]!, withdrawn);
      } else if (kind === Kind.TICKED) this.#applier.tickAgain(u32[word + 1]!, u32[word + 2]!, u32[word]! >>> 8);
      else if (kind === Kind.STORED) this.stored = f64[double + 1]!;
      else if (kind === Kind.TOLD) [this.#applier.told.from, this.#applier.told.position] = [f64[double + 1]!, f64[double + 2]!];
    }
    this.#applier.takeLate();
    compare(bytes, out.bytes());
    const seq = f64[3]!;
    if (datalogger !== NONE && seq > 0) {
      const state = this.#applier.directory.dataloggerState(datalogger);
      rememberFrame(state, seq, u32[8]!, u32[9]!);
      state.safeSeq = seq;
    }
  }

  #name(u8: Uint8Array, u32: Uint32Array, f64: Float64Array, at: number, owner: number): void {
    const word = at >> 2;
    const text = utf8.decode(u8.subarray(at + NAME_BYTES, at + NAME_BYTES + u32[word + 3]!));
    this.#applier.replayName(u32[word]! >>> 8, u32[word + 1]!, u32[word + 2]!, text, f64[(at >> 3) + 2]!, owner);
  }
}

/** A repair's rows came from what the store held then, so they are not worked out again: only what it left behind counts. */
function replayRepair(applier: Applier, views: EntryViews): void {
  const { u32, f64 } = views;
  let meter = -1;
  let [from, to, count] = [0, 0, 0];
  let image: Float64Array | null = null;
  for (let at = entryBytes(views, 0); at < views.u8.length; at += entryBytes(views, at)) {
    const kind = u32[at >> 2]! & 0xff;
    const double = at >> 3;
    if (kind === Kind.MENDED) {
      meter = u32[(at >> 2) + 1]!;
      [from, to, count] = [f64[double + 1]!, f64[double + 2]!, f64[double + 3]!];
    } else if (kind === Kind.STATE) {
      const first = (at + STATE_BYTES) >> 3;
      image = f64.slice(first, first + u32[(at >> 2) + 2]!);
    }
  }
  if (meter < 0) throw withoutState();
  applier.mended(meter, from, to, count, image, 0);
}

/** A unit that its checksum calls whole, and that says what cannot be: of a meter, say, that nobody has named. */
function unitImpossible(error: unknown): MeterstormError {
  const message = `a unit of the journal has a right checksum and cannot be worked out again (${messageOf(error)}); the shard does not go on from it. Start with the version of meterstorm that wrote this data directory, or keep it aside and start from an empty one`;
  return new MeterstormError("journal_damaged", message, { cause: error });
}

/** Rows that were moved here stand before a snapshot, which has the names and the state that they belong to. */
function withoutState(): MeterstormError {
  return new MeterstormError(
    "journal_gap",
    "the journal begins with what was moved here from other shards, and the snapshot that was written with it is missing: what the shard knew stands there alone. Put it back from a copy, or keep this directory aside and start from an empty one",
  );
}

/** Holds the compared entries of two runs against each other, byte by byte. */
function compare(journaled: Uint8Array, recomputed: Uint8Array): void {
  const was = viewsOf(journaled);
  const is = viewsOf(recomputed);
  let a = nextCompared(was, 0);
  let b = nextCompared(is, 0);
  while (a < journaled.length && b < recomputed.length) {
    const size = entryBytes(was, a);
    if (entryBytes(is, b) !== size || Buffer.compare(was.u8.subarray(a, a + size), is.u8.subarray(b, b + size)) !== 0)
      differs(was.u32, a);
    a = nextCompared(was, a + size);
    b = nextCompared(is, b + size);
  }
  if (a < journaled.length) differs(was.u32, a);
  if (b < recomputed.length) differs(is.u32, b);
}

function nextCompared(views: ReturnType<typeof viewsOf>, from: number): number {
  let at = from;
  while (at < views.u8.length && !COMPARED.has(views.u32[at >> 2]! & 0xff)) at += entryBytes(views, at);
  return at;
}

function differs(u32: Uint32Array, at: number): never {
  const kind = u32[at >> 2]! & 0xff;
  throw new MeterstormError(
    "journal_differs",
    `recomputing the journal gives another row than the one written before (entry of kind ${kind}, meter number ${u32[(at >> 2) + 1]}); the shard does not go on from it. Start with the version of meterstorm that wrote this data directory, or keep it aside and start from an empty one`,
  );
}
