import { stableHash } from "../base/ids.js";

/**
 * Whose meter it is, for clients that are spread over shards: the first datalogger that sends a meter has it, whichever
 * shard it lives in. A table of open addressing in shared memory, of pairs of 64-bit words:
 *
 *      0                8
 *      +----------------+----------------+
 *      | key            | owner          |   0: free
 *      +----------------+----------------+
 *
 * Keys and owners are hashes: two of a million meters meet with a probability of about 10^-8. A claim is two
 * compare-and-swaps, and made once in a meter's life.
 */
const MAX_PROBES = 256;

export function createClaims(slots: number): SharedArrayBuffer {
  return new SharedArrayBuffer(slots * 16);
}

export class MeterClaims {
  readonly #words: BigInt64Array;
  readonly #mask: number;

  constructor(buffer: SharedArrayBuffer) {
    this.#words = new BigInt64Array(buffer);
    this.#mask = this.#words.length / 2 - 1;
  }

  /** Whether the meter is the datalogger's now: it was free, or its own before. False too where the table is full there. */
  claim(tenant: string, meter: string, datalogger: string): boolean {
    const key = hash64(`${tenant}\n${meter}`);
    const owner = hash64(`${tenant}\n${datalogger}`);
    let slot = Number(BigInt.asUintN(32, key)) & this.#mask;
    for (let probe = 0; probe < MAX_PROBES; probe++, slot = (slot + 1) & this.#mask) {
      const found = Atomics.compareExchange(this.#words, slot * 2, 0n, key);
      if (found !== 0n && found !== key) continue;
      const before = Atomics.compareExchange(this.#words, slot * 2 + 1, 0n, owner);
      return before === 0n || before === owner;
    }
    return false;
  }
}

/** Never 0, which means free. */
function hash64(text: string): bigint {
  const high = BigInt(stableHash(text));
  const low = BigInt(stableHash(`${text}\u0000${text.length}`));
  return BigInt.asIntN(64, (high << 32n) | low) || 1n;
}
