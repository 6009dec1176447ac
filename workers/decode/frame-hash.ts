/**
 * Two 32-bit hashes of a frame's bytes, to tell a frame that is sent again from another one under the
 * same seq. Not cryptographic: a datalogger can only fool itself. Reads four bytes at a time: a frame
 * of 64 KiB takes about 20 µs.
 */
export const frameHash = { a: 0, b: 0 };

export function hashFrame(u8: Uint8Array, u32: Uint32Array, at: number, length: number): void {
  let a = 0x9e3779b9 ^ length;
  let b = 0x85ebca6b ^ length;
  const firstWord = at >> 2;
  const lastWord = firstWord + (length >> 2);
  for (let i = firstWord; i < lastWord; i++) {
    const word = u32[i]!;
    a = Math.imul(a ^ word, 0x01000193);
    b = Math.imul((b << 13) | (b >>> 19), 5) + (word ^ 0x38b34ae5);
    b = Math.imul(b, 0x1b873593) ^ (a >>> 15);
  }
  for (let i = at + (length & ~3); i < at + length; i++) {
    a = Math.imul(a ^ u8[i]!, 0x01000193);
    b = Math.imul(b ^ u8[i]!, 0x1b873593) ^ (a >>> 15);
  }
  frameHash.a = (a ^ (a >>> 16)) >>> 0;
  frameHash.b = (b ^ (b >>> 13)) >>> 0;
}
