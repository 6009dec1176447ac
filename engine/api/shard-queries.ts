import { MeterstormError } from "../base/errors.js";
import { Input } from "../memory/protocol.js";
import type { Shard } from "../shards/shard.js";

const ANSWER_WITHIN_MS = 5_000;
const MAX_OPEN = 256;
const utf8 = new TextEncoder();

/** Questions to shards about what only they know. Few at a time, and never waited for without end. */
export class ShardQueries {
  readonly #open = new Map<number, { shard: Shard; answered: (json: string | null) => void }>();
  #nextId = 1;

  /** Throws MeterstormError `busy` when too many are open, the ring is full, or no answer came in time. */
  async ask(shard: Shard, query: object, withinMs: number = ANSWER_WITHIN_MS): Promise<unknown> {
    if (shard.trouble !== "") throw new MeterstormError("busy", `shard ${shard.index} cannot answer now: ${shard.trouble}`);
    if (this.#open.size >= MAX_OPEN)
      throw new MeterstormError("busy", `${MAX_OPEN} queries wait for shards already; ask again in a moment`);
    const id = this.#nextId++;
    const answer = new Promise<string>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#open.delete(id);
        reject(new MeterstormError("busy", `shard ${shard.index} did not answer within ${withinMs} ms`));
      }, withinMs);
      const answered = (json: string | null) => {
        clearTimeout(timer);
        if (json !== null) resolve(json);
        else reject(new MeterstormError("busy", `shard ${shard.index} was opened again meanwhile; ask again in a moment`));
      };
      this.#open.set(id, { shard, answered });
    });
    if (!shard.sendControl(Input.QUERY, id, Date.now(), utf8.encode(JSON.stringify(query)))) {
      this.answered(id, "null");
      throw new MeterstormError("busy", `shard ${shard.index} has no room for a query now; ask again in a moment`);
    }
    return JSON.parse(await answer) as unknown;
  }

  answered(id: number, json: string): void {
    const query = this.#open.get(id);
    this.#open.delete(id);
    query?.answered(json);
  }

  /** Nobody will answer what this shard was asked. */
  lost(shard: Shard): void {
    for (const [id, query] of [...this.#open]) {
      if (query.shard !== shard) continue;
      this.#open.delete(id);
      query.answered(null);
    }
  }
}
