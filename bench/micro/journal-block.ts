import { createHash } from "node:crypto";
import { EntryWriter, Kind, UnitType } from "../../engine/base/entries.js";
import { BLOCK_HEADER_BYTES, blockIsWhole, encodeBlockHeader } from "../../workers/journal/block.js";
import type { MicroBench } from "./harness.js";

const READINGS = 2000;

/** Sealing a block of the journal: our header with its CRC-32, the CRC by a table in plain code, SHA-256. */
export function journalBlockBench(): MicroBench {
  const writer = new EntryWriter();
  writer.beginUnit(UnitType.FRAME, 1, 1, 1, 1, 1);
  for (let i = 0; i < READINGS; i++) writer.reading(Kind.READING, i, 1e12 + i, i / 8, 0.125, 0, 0);
  writer.endUnit(READINGS);
  const payload = writer.bytes();
  const block = new Uint8Array(BLOCK_HEADER_BYTES + payload.length);
  const view = new DataView(block.buffer);
  const table = crcTable();
  let plain = 0;
  let digest = "";

  const ours = () => encodeBlockHeader(block, view, 0, payload, 0, 0, 1, false);
  const byTable = () => {
    plain = crcByTable(table, block.subarray(4, BLOCK_HEADER_BYTES), 0);
    plain = crcByTable(table, payload, plain);
  };
  const sha = () => {
    digest = createHash("sha256").update(block.subarray(4, BLOCK_HEADER_BYTES)).update(payload).digest("hex");
  };
  return {
    name: "journal block",
    unit: "reading",
    unitsPerRun: READINGS,
    cases: [
      { name: "header with CRC-32", run: ours },
      { name: "CRC-32 by a table", run: byTable },
      { name: "SHA-256", run: sha },
    ],
    check() {
      ours();
      block.set(payload, BLOCK_HEADER_BYTES);
      if (!blockIsWhole(block, view, 0, payload.length)) throw new Error("journal block: its own checksum does not fit");
      byTable();
      if (plain !== view.getUint32(0, true)) throw new Error("journal block: the two ways to the CRC differ");
      sha();
      if (digest.length !== 64) throw new Error("journal block: no digest");
      block[BLOCK_HEADER_BYTES + 9]! ^= 1;
      if (blockIsWhole(block, view, 0, payload.length)) throw new Error("journal block: a flipped bit was not seen");
    },
  };
}

function crcTable(): Uint32Array {
  return new Uint32Array(256).map((_, n) => {
    let c = n;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    return c;
  });
}

function crcByTable(table: Uint32Array, bytes: Uint8Array, before: number): number {
  let c = ~before;
  for (let i = 0; i < bytes.length; i++) c = table[(c ^ bytes[i]!) & 0xff]! ^ (c >>> 8);
  return ~c >>> 0;
}
