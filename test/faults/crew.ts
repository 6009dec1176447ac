import { until } from "../support/servers.js";
import type { Arena } from "./arena.js";
import { counterMeter, scriptedMeters } from "./script.js";
import { Witness } from "./witness.js";

const LOGGERS = 3;
const COUNTERS = 3;
const PACE_MS = 40;
const AGAIN_WITHIN_MS = 60_000;
const DRAINED_WITHIN_MS = 60_000;
/** So many are connected at a time; all at once would only measure the queue of the operating system. */
const AT_ONCE = 100;

/** The dataloggers of one scenario. Their names and their meters' ids begin with its name. */
export class Crew {
  readonly witnesses: Witness[];
  /** More than the regular ones: those that are cut, or do not listen. */
  readonly extras: Witness[] = [];
  readonly #arena: Arena;
  readonly #name: string;
  readonly #startMs: number;

  constructor(arena: Arena, name: string, startMs: number) {
    this.#arena = arena;
    this.#name = name;
    this.#startMs = startMs;
    this.witnesses = arena.clients.flatMap((client) =>
      Array.from({ length: LOGGERS }, (_, i) => {
        const logger = `${name}-s${client.shard}-${i}`;
        const format = i % 2 === 0 ? ("text" as const) : ("binary" as const);
        return this.#witness(logger, client.shard, format, scriptedMeters(logger, COUNTERS, startMs), PACE_MS);
      }),
    );
  }

  #witness(name: string, shard: number, format: "binary" | "text", meters: Witness["meters"], paceMs: number): Witness {
    const client = this.#arena.clients[shard]!;
    return new Witness({
      ...{ name, tenant: client.id, token: client.tokens.ingest, meters, format, paceMs, wsUrl: this.#arena.engine.wsUrl },
    });
  }

  get all(): Witness[] {
    return [...this.witnesses, ...this.extras];
  }

  get ackedFrames(): number {
    return this.witnesses.reduce((sum, { acked }) => sum + acked, 0);
  }

  start(): void {
    for (const witness of this.witnesses) witness.start();
  }

  /** Resolves once so many more frames of the regular ones are acked. */
  async advance(frames: number, withinMs = AGAIN_WITHIN_MS): Promise<void> {
    const wanted = this.ackedFrames + frames;
    await until(`${frames} more frames are acked`, withinMs, () => this.ackedFrames >= wanted);
  }

  /** Resolves once each datalogger of a shard was acked a frame that it first sent from now on. */
  async goesOn(shard: number): Promise<void> {
    const { id } = this.#arena.clients[shard]!;
    const atMs = performance.now();
    const own = this.witnesses.filter(({ tenant }) => tenant === id);
    await until(`shard ${shard} goes on`, AGAIN_WITHIN_MS, () => own.every(({ waits }) => (waits.at(-1)?.sentMs ?? 0) > atMs));
  }

  /** So many more dataloggers, over all clients, each with one register; resolves when each was acked something. */
  async join(count: number, paceMs: number): Promise<Witness[]> {
    const joined: Witness[] = [];
    for (let i = 0; i < count; i++) {
      const name = `${this.#name}-x${this.extras.length}`;
      const shard = i % this.#arena.clients.length;
      const witness = this.#witness(name, shard, "text", [counterMeter(`${name}-c0`, 0, this.#startMs)], paceMs);
      this.extras.push(witness);
      joined.push(witness);
      witness.start();
      if (joined.length % AT_ONCE !== 0 && i < count - 1) continue;
      await until(`${joined.length} dataloggers have joined`, AGAIN_WITHIN_MS, () => joined.every(({ acked }) => acked > 0));
    }
    return joined;
  }

  /** Resolves when every one was acked a frame that it first sent after this instant. */
  async heardAfter(atMs: number): Promise<void> {
    const silent = (): Witness[] => this.all.filter(({ waits }) => (waits.at(-1)?.sentMs ?? 0) < atMs);
    await until("everybody is acked what came after the fault", AGAIN_WITHIN_MS, () => silent().length === 0).catch((error) => {
      const names = silent().map(({ name, sent, acked, isConnected }) => `${name} ${acked}/${sent} ${isConnected}`);
      throw new Error(`not heard: ${names.slice(0, 20).join(", ")}`, { cause: error });
    });
  }

  /** No new frames; resolves when all that were sent are acked. Says who was not, rather than to fail: that is for whoever judges. */
  async drained(): Promise<boolean> {
    for (const witness of this.all) witness.stop();
    return await until("all is acked", DRAINED_WITHIN_MS, () => this.all.every(({ isDrained }) => isDrained)).catch(() => false);
  }

  close(): void {
    for (const witness of this.all) witness.close();
  }
}
