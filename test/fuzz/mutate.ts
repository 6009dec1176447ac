import type { Random } from "../support/random.js";

/** One byte after another, as it comes from outside. */
export type Mutate = (random: Random, seeds: readonly Uint8Array[]) => Uint8Array;

/** Longest input that is made; what must be refused for its length is well within it. */
const MAX_INPUT_BYTES = 96 * 1024;

/** Where programs that count, shift and round go wrong. */
const WHOLE = [
  0,
  1,
  2,
  7,
  8,
  16,
  24,
  127,
  128,
  255,
  256,
  32_767,
  32_768,
  65_535,
  65_536,
  2 ** 20,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
];
const DOUBLES = [
  ...[0, -0, 1, -1, 0.1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.MIN_VALUE, Number.MAX_VALUE],
  ...[2 ** 31, 2 ** 32, 2 ** 52, 2 ** 53 - 1, 2 ** 53, -(2 ** 53), 2 ** 63, 2 ** 64, 1e15, 8.64e15, -8.64e15, 8.64e15 + 1],
  ...[946_684_799_999, 946_684_800_000, 1_767_225_600_000, 4_102_444_800_000],
];

export function interestingNumber(random: Random): number {
  return random.chance(0.5) ? random.pick(WHOLE) : random.pick(DOUBLES);
}

type Step = (random: Random, bytes: Uint8Array, other: Uint8Array) => Uint8Array;

/** Some place in the bytes at which `size` bytes stand, -1 where there is none; often one where fields of that size stand. */
function place(random: Random, bytes: Uint8Array, size: number): number {
  if (bytes.length < size) return -1;
  const at = random.int(bytes.length - size + 1);
  return random.chance(0.7) ? at - (at % size) : at;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const STEPS: readonly Step[] = [
  function flipBit(random, bytes) {
    if (bytes.length > 0) bytes[random.int(bytes.length)]! ^= 1 << random.int(8);
    return bytes;
  },
  function otherByte(random, bytes) {
    if (bytes.length > 0)
      bytes[random.int(bytes.length)] = random.pick([0, 1, 9, 10, 34, 39, 44, 127, 128, 192, 237, 255, random.int(256)]);
    return bytes;
  },
  function interesting16(random, bytes) {
    const at = place(random, bytes, 2);
    if (at >= 0) viewOf(bytes).setUint16(at, random.pick(WHOLE) & 0xffff, true);
    return bytes;
  },
  function interesting32(random, bytes) {
    const at = place(random, bytes, 4);
    if (at >= 0) viewOf(bytes).setUint32(at, random.pick(WHOLE), true);
    return bytes;
  },
  function interesting64(random, bytes) {
    const at = place(random, bytes, 8);
    if (at >= 0) viewOf(bytes).setFloat64(at, random.pick(DOUBLES), true);
    return bytes;
  },
  /** A length or a count that is a little wrong. */
  function nearby32(random, bytes) {
    const at = place(random, bytes, 4);
    if (at >= 0) viewOf(bytes).setUint32(at, viewOf(bytes).getUint32(at, true) + random.int(9) - 4, true);
    return bytes;
  },
  function cut(random, bytes) {
    return bytes.slice(0, random.int(bytes.length + 1));
  },
  function remove(random, bytes) {
    const from = random.int(bytes.length + 1);
    const to = Math.min(bytes.length, from + 1 + random.int(16));
    return joined(bytes.subarray(0, from), bytes.subarray(to));
  },
  function insert(random, bytes) {
    const at = random.int(bytes.length + 1);
    return joined(bytes.subarray(0, at), random.bytes(1 + random.int(16)), bytes.subarray(at));
  },
  function repeat(random, bytes) {
    const from = random.int(bytes.length + 1);
    const piece = bytes.subarray(from, from + 1 + random.int(64));
    const times = random.chance(0.1) ? 1 + random.int(500) : 1 + random.int(4);
    return joined(bytes.subarray(0, from), ...Array.from({ length: times }, () => piece), bytes.subarray(from));
  },
  function zero(random, bytes) {
    const from = random.int(bytes.length + 1);
    bytes.fill(0, from, from + random.int(64));
    return bytes;
  },
  function splice(random, bytes, other) {
    return joined(bytes.subarray(0, random.int(bytes.length + 1)), other.subarray(random.int(other.length + 1)));
  },
  function overwrite(random, bytes, other) {
    const from = random.int(other.length + 1);
    const piece = other.subarray(from, from + 1 + random.int(64));
    const at = random.int(bytes.length + 1);
    bytes.set(piece.subarray(0, bytes.length - at), at);
    return bytes;
  },
];

export function joined(...pieces: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(pieces));
}

/** One of the seeds with a few changes; now and then a seed as it is, or no bytes of any seed. */
export function mutateBytes(random: Random, seeds: readonly Uint8Array[]): Uint8Array {
  if (random.chance(0.02)) return random.bytes(random.int(200));
  let bytes: Uint8Array = random.pick(seeds).slice();
  for (let left = random.int(5); left > 0; left--) {
    bytes = random.pick(STEPS)(random, bytes, random.pick(seeds));
    if (bytes.length > MAX_INPUT_BYTES) bytes = bytes.slice(0, MAX_INPUT_BYTES);
  }
  return bytes;
}
