/** A small seeded source of numbers: the same seed gives the same run, on every machine. */
export class Random {
  #a: number;
  #b: number;

  constructor(seed: number) {
    this.#a = Math.imul(seed | 0, 0x9e3779b1) ^ 0x2545f491;
    this.#b = Math.imul(~seed, 0x85ebca6b) ^ 0x6c078965;
    if (this.#a === 0 && this.#b === 0) this.#b = 1;
    // Neighbouring seeds begin alike; a few rounds drive them apart.
    for (let round = 0; round < 8; round++) this.u32();
  }

  /** 0 … 2^32 − 1. */
  u32(): number {
    let x = this.#a;
    const y = this.#b;
    this.#a = y;
    x ^= x << 23;
    x ^= (x >>> 17) ^ y ^ (y >>> 13);
    this.#b = x;
    return Math.imul(x + y, 0x9e3779b1) >>> 0;
  }

  /** 0 ≤ x < 1. */
  unit(): number {
    return this.u32() / 0x1_0000_0000;
  }

  /** A whole number 0 ≤ n < `below`. */
  int(below: number): number {
    return Math.floor(this.unit() * below);
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.int(items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let i = 0; i < length; i++) bytes[i] = this.u32() >>> 24;
    return bytes;
  }
}
