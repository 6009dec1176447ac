import { type Binding, encodeBindFrames, FRAME_HEADER_BYTES, READING_RECORD_BYTES } from "./frames.js";

/** Which aliases a connection knows already: each is bound just before the first frame that uses it. */
export class BoundAliases {
  /** One byte an alias. */
  #bound = new Uint8Array(64);
  #count = 0;

  /** The bind frames that must go out before a readings frame; `meters` names the meter of each alias. */
  framesBefore(frame: Buffer, meters: readonly string[], maxFrameBytes: number): Buffer[] {
    if (this.#count === meters.length) return [];
    if (this.#bound.length < meters.length) {
      const larger = new Uint8Array(meters.length * 2);
      larger.set(this.#bound);
      this.#bound = larger;
    }
    const bindings: Binding[] = [];
    for (let at = FRAME_HEADER_BYTES; at < frame.length; at += READING_RECORD_BYTES) {
      const alias = frame.readUInt32LE(at);
      const meter = meters[alias];
      if (meter === undefined || this.#bound[alias] === 1) continue;
      this.#bound[alias] = 1;
      bindings.push({ alias, meter });
    }
    this.#count += bindings.length;
    return encodeBindFrames(bindings, maxFrameBytes);
  }
}
