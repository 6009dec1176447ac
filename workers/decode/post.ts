import type { Origin } from "../../engine/memory/protocol.js";

const textDecoder = new TextDecoder();

export interface Post {
  origin: Origin;
  body: Uint8Array;
}

/** A POST record's payload: a u32 of the origin's length, the origin as JSON, the body. Both are copied out of the ring. */
export function readPost(bytes: Uint8Array, u32: Uint32Array, at: number, length: number): Post {
  const bodyAt = at + 4 + u32[at >> 2]!;
  const origin = JSON.parse(textDecoder.decode(bytes.slice(at + 4, bodyAt))) as Origin;
  return { origin, body: bytes.slice(bodyAt, at + length) };
}
