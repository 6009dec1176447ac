import { EntryWriter, Kind, UnitType } from "../../engine/base/entries.js";

const writer = new EntryWriter();

/** A unit that says who it is: its number as seq, `readings` entries that carry it too, so that any mix-up of bytes is seen. */
export function unit(number: number, readings = 1): Uint8Array {
  writer.reset();
  writer.beginUnit(UnitType.FRAME, 1_767_225_600_000 + number, number, number, number ^ 0x5bd1e995, ~number);
  for (let i = 0; i < readings; i++) writer.reading(Kind.READING, number, 1_767_225_600_000 + i, number * 1.5, number / 7, i, 0);
  writer.endUnit(readings);
  return writer.bytes().slice();
}

export function concat(pieces: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(pieces));
}

/** All that an async sequence of pieces yields, as one. */
export async function gathered(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece.slice());
  return concat(all);
}
