import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { until } from "../support/servers.js";
import { readingsOf } from "./api.js";
import type { Wire } from "./wire.js";

const START_MS = Date.UTC(2026, 0, 1);
const METERS = 3;

/**
 * A datalogger that does everything right while others do not: it sends a frame before and a frame after whatever
 * they do, and in the end every one of its readings must be there, with its delta, and no other.
 */
export class Neighbour {
  readonly #wire: Wire;
  readonly #url: string;
  readonly #readToken: string;
  readonly #name: string;
  #seq = 0;

  constructor(wire: Wire, url: string, readToken: string, name: string) {
    this.#wire = wire;
    this.#url = url;
    this.#readToken = readToken;
    this.#name = name;
  }

  /** Sends one frame and does not wait for its ack. */
  send(): void {
    const round = this.#seq++;
    const readings = Array.from({ length: METERS }, (_, meter) => [
      this.#meter(meter),
      this.#ts(round),
      this.#value(meter, round),
    ]);
    this.#wire.send({ seq: this.#seq, readings });
  }

  /** Everything sent is acked, nothing of it was refused, and the connection is the one it began with. */
  async undisturbed(): Promise<void> {
    await this.#wire.acked(this.#seq);
    assert.equal(this.#wire.closed, null);
    assert.deepEqual(this.#wire.rejected, []);
  }

  /** Every row of every meter is in the store as it should be, and no more. */
  async stored(): Promise<void> {
    assert.ok(this.#seq > 0, "the neighbour has sent nothing, which proves nothing");
    for (let meter = 0; meter < METERS; meter++) {
      const expected = Array.from({ length: this.#seq }, (_, round) => ({
        ts: new Date(this.#ts(round)).toISOString(),
        value: this.#value(meter, round),
        delta: round === 0 ? null : this.#value(meter, round) - this.#value(meter, round - 1),
        rev: 0,
      }));
      let rows: object[] = [];
      await until("the neighbour's rows are there", 20_000, async () => {
        rows = (await readingsOf(this.#url, this.#readToken, this.#meter(meter))).map(({ flags: _, ...row }) => row);
        return isDeepStrictEqual(rows, expected);
      }).catch(() => assert.deepEqual(rows, expected));
    }
  }

  close(): void {
    this.#wire.close();
  }

  #meter(meter: number): string {
    return `${this.#name}-${meter}`;
  }

  #ts(round: number): number {
    return START_MS + round * 60_000;
  }

  /** Quarters are exact in binary, so that differences need no rounding. */
  #value(meter: number, round: number): number {
    return 1000 * meter + (round * (round + 1)) / 4;
  }
}
