import assert from "node:assert/strict";
import { isUtf8 } from "node:buffer";
import { limits } from "../../../engine/base/limits.js";
import { type Binding, Header, header, readBindings, readHeader } from "../../../workers/decode/binary.js";
import { mutateBytes } from "../mutate.js";
import { bindFrame, readingsFrame } from "../seed-frames.js";
import type { Target } from "../target.js";

/** The contract's table, byte by byte: slow, and written without a look at the decoder. */
function plainHeader(input: DataView): { what: number; count: number; seq: number } {
  const nothing = { what: Header.UNREADABLE, count: 0, seq: 0 };
  if (input.byteLength < 16 || input.getUint8(1) !== 1) return nothing;
  const type = input.getUint8(0);
  const count = input.getUint32(4, true);
  const seq = input.getBigUint64(8, true);
  const isPadded = input.getUint16(2, true) === 0;
  if (type === 2) return isPadded && seq === 0n ? { what: Header.BIND, count, seq: 0 } : nothing;
  if (type !== 1 || seq === 0n || seq > BigInt(Number.MAX_SAFE_INTEGER)) return nothing;
  const isWhole = isPadded && BigInt(input.byteLength) === 16n + 24n * BigInt(count);
  return { what: isWhole ? Header.READINGS : Header.MALFORMED, count, seq: Number(seq) };
}

/** Null: nothing of it is bound. */
function plainBindings(input: Buffer, count: number): Binding[] | null {
  const bindings: Binding[] = [];
  let rest = input.subarray(16);
  while (rest.length > 0) {
    if (bindings.length === count || rest.length < 6) return null;
    const alias = rest.readUInt32LE(0);
    const end = 6 + rest.readUInt16LE(4);
    if (end > rest.length || alias >= 2 ** 20) return null;
    const id = rest.subarray(6, end);
    bindings.push({ alias, meter: isUtf8(id) ? id.toString("utf8") : null });
    rest = rest.subarray(end);
  }
  return bindings.length === count ? bindings : null;
}

/** Frames lie in a ring, on 8 bytes, with other frames around them that nobody may read. */
const ring = new Uint8Array(limits.transportFrameBytes);
const u32 = new Uint32Array(ring.buffer);

function run(input: Uint8Array): void {
  for (const at of [0, 72]) {
    ring.fill(0xa5, 0, input.length + 160);
    ring.set(input, at);
    const what = readHeader(ring, u32, at, input.length);
    const { count, seq, fault } = header;
    const plain = plainHeader(new DataView(input.buffer, input.byteOffset, input.length));
    assert.equal(what, plain.what);
    assert.equal(fault === "", what === Header.READINGS || what === Header.BIND);
    if (what !== Header.UNREADABLE) assert.equal(seq, plain.seq);
    if (what === Header.READINGS) assert.equal(count, plain.count);
    if (what !== Header.BIND) continue;
    const bindings = readBindings(ring, at, input.length, count);
    const plainly = plainBindings(Buffer.from(input), plain.count);
    if (plainly === null) assert.match(String(bindings), /\w \w/);
    else assert.deepEqual(bindings, plainly);
  }
}

export function open(): Target {
  const seeds = [
    readingsFrame(1, 3),
    readingsFrame(2 ** 53 - 1, 1),
    readingsFrame(7, 0),
    bindFrame(["m1", "zähler 2", ""]),
    bindFrame([]),
  ];
  return { name: "binary-frames", seeds, mutate: mutateBytes, run };
}
