import { invariant } from "../../engine/base/errors.js";
import { type Cut, type CutSink, doublesOf, RecordWriter } from "./cut-records.js";
import { RareState, rareLength, readRare, writeRare } from "./meter-rare.js";
import { type Column, type MeterPage, Status } from "./page.js";

/** Slots that are copied at once: 2048 meters with hours and days are some 280 KiB. */
const CHUNK_SLOTS = 2048;

/** Kinds of records; all numbers are f64, little-endian. */
const Kind = {
  /** 1 │ first meter │ slots │ which arrays (`MeterPage.kept`) │ each array's slots, padded to 8 bytes */
  CHUNK: 1,
  /** 2 │ meter │ which arrays │ the meter's place in each of them: counts in the place of what its chunk says */
  METER: 2,
  /** 3 │ meter │ n │ its numbers (`meter-rare.ts`) │ n sums */
  RARE: 3,
} as const;
const CHUNK_HEAD = 4;
const METER_HEAD = 3;

interface PageAtCut {
  readonly page: MeterPage;
  readonly kept: number;
  readonly columns: readonly Column[];
}

/**
 * The meters' state at one instant. It is copied chunk by chunk in order; a meter that changes before its chunk's turn is copied by
 * itself right before, and that copy counts when both are read. So the cost of a change does not depend on how meters are spread.
 *
 *     copied ────────────▶│ due: a meter's first change copies it        meters ──▶
 */
export class BookCut implements Cut {
  readonly #pages: readonly PageAtCut[];
  readonly #rares: ReadonlyMap<number, RareState>;
  readonly #slotBits: number;
  readonly #count: number;
  readonly #out: RecordWriter;
  readonly #sink: CutSink;
  /** By meter: 1, it was copied by itself. */
  readonly #saved: Uint8Array;
  /** Meters before this one have had their turn. */
  #next = 0;

  constructor(
    pages: readonly MeterPage[],
    slotBits: number,
    count: number,
    rares: ReadonlyMap<number, RareState>,
    sink: CutSink,
  ) {
    // Arrays that a page gets from here on belong to what comes after.
    this.#pages = pages.map((page) => ({ page, kept: page.kept, columns: page.columns() }));
    this.#rares = rares;
    this.#slotBits = slotBits;
    this.#count = count;
    this.#sink = sink;
    this.#out = new RecordWriter(sink);
    this.#saved = new Uint8Array(count);
  }

  /** The meter is about to change. */
  save(meter: number): void {
    if (meter < this.#next || meter >= this.#count || this.#saved[meter] === 1) return;
    this.#saved[meter] = 1;
    const { page, kept, columns } = this.#pages[meter >>> this.#slotBits]!;
    const slot = meter & ((1 << this.#slotBits) - 1);
    const out = this.#out;
    out.begin(METER_HEAD + columns.length);
    out.push(Kind.METER);
    out.push(meter);
    out.push(kept);
    for (let i = 0; i < columns.length; i++) out.push(columns[i]![slot]!);
    if ((page.status[slot]! & Status.RARE) !== 0) this.#saveRare(meter);
  }

  #saveRare(meter: number): void {
    const rare = this.#rares.get(meter)!;
    this.#out.begin(2 + rareLength(rare));
    this.#out.push(Kind.RARE);
    this.#out.push(meter);
    writeRare(rare, this.#out);
  }

  *sweep(): Generator<void, void, undefined> {
    while (this.#next < this.#count) {
      const first = this.#next;
      const { page, kept, columns } = this.#pages[first >>> this.#slotBits]!;
      const slot = first & ((1 << this.#slotBits) - 1);
      const slots = Math.min(CHUNK_SLOTS, page.slots - slot, this.#count - first);
      this.#sink(chunkOf(first, slot, slots, kept, columns));
      for (let i = 0; i < slots; i++) {
        if ((page.status[slot + i]! & Status.RARE) !== 0 && this.#saved[first + i] === 0) this.#saveRare(first + i);
      }
      this.#next = first + slots;
      yield;
    }
    this.#out.flush();
  }
}

function chunkOf(first: number, slot: number, slots: number, kept: number, columns: readonly Column[]): Uint8Array {
  const bytes = columns.reduce((sum, column) => sum + padded(column.BYTES_PER_ELEMENT * slots), CHUNK_HEAD * 8);
  const chunk = new Uint8Array(bytes);
  new Float64Array(chunk.buffer, 0, CHUNK_HEAD).set([Kind.CHUNK, first, slots, kept]);
  let at = CHUNK_HEAD * 8;
  for (const column of columns) {
    const size = column.BYTES_PER_ELEMENT;
    chunk.set(new Uint8Array(column.buffer, column.byteOffset + slot * size, slots * size), at);
    at += padded(slots * size);
  }
  return chunk;
}

function padded(bytes: number): number {
  return (bytes + 7) & ~7;
}

/** Reads what a cut wrote into pages of meters that are open; returns what few of them have beside their pages. */
export function restoreBook(parts: readonly Uint8Array[], pages: readonly MeterPage[], slotBits: number): Map<number, RareState> {
  const rares = new Map<number, RareState>();
  const known = new KnownPages(pages, slotBits);
  const alone: Float64Array[] = [];
  for (const part of parts) {
    const doubles = doublesOf(part);
    for (let at = 0; at < doubles.length; ) {
      const kind = doubles[at]!;
      if (kind === Kind.CHUNK) at = readChunk(doubles, at, known);
      else if (kind === Kind.METER) {
        const end = at + METER_HEAD + known.columns(doubles[at + 1]!, doubles[at + 2]!).length;
        alone.push(doubles.subarray(at, end));
        at = end;
      } else {
        invariant(kind === Kind.RARE, `a record of kind ${kind} in a snapshot's meters`);
        const rare = new RareState();
        rares.set(doubles[at + 1]!, rare);
        at = readRare(rare, doubles, at + 2);
      }
    }
  }
  // Chunks may come behind the meters that changed before their turn.
  for (const record of alone) {
    const columns = known.columns(record[1]!, record[2]!);
    const slot = known.slot(record[1]!);
    for (let i = 0; i < columns.length; i++) columns[i]![slot] = record[METER_HEAD + i]!;
  }
  return rares;
}

function readChunk(doubles: Float64Array, at: number, known: KnownPages): number {
  const [, first = 0, slots = 0, kept = 0] = doubles.subarray(at, at + CHUNK_HEAD);
  const columns = known.columns(first, kept);
  const slot = known.slot(first);
  let offset = doubles.byteOffset + (at + CHUNK_HEAD) * 8;
  for (const column of columns) {
    invariant(
      slot + slots <= column.length,
      `a snapshot's chunk of ${slots} meters from meter ${first} on is longer than its page`,
    );
    const size = column.BYTES_PER_ELEMENT;
    const from = new Uint8Array(doubles.buffer, offset, slots * size);
    new Uint8Array(column.buffer, column.byteOffset + slot * size, slots * size).set(from);
    offset += padded(slots * size);
  }
  return (offset - doubles.byteOffset) >> 3;
}

/** The arrays of pages, looked up once each. */
class KnownPages {
  readonly #pages: readonly MeterPage[];
  readonly #slotBits: number;
  readonly #columns: (readonly Column[])[] = [];
  readonly #kept: number[] = [];

  constructor(pages: readonly MeterPage[], slotBits: number) {
    this.#pages = pages;
    this.#slotBits = slotBits;
  }

  slot(meter: number): number {
    return meter & ((1 << this.#slotBits) - 1);
  }

  /** Those of the meter's page, which has just the arrays that `kept` says. */
  columns(meter: number, kept: number): readonly Column[] {
    const index = meter >>> this.#slotBits;
    if (this.#kept[index] === kept) return this.#columns[index]!;
    const page = this.#pages[index];
    invariant(page !== undefined, `a snapshot has meter ${meter}, but not its name`);
    // A page may have arrays that no meter needs any more.
    page.keep(kept);
    invariant(page.kept === kept, `a snapshot has arrays ${kept} where its meters need ${page.kept}`);
    this.#kept[index] = kept;
    this.#columns[index] = page.columns();
    return this.#columns[index]!;
  }
}
