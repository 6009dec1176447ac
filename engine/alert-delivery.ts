import type { AlertTransition } from "./base/alert-transition.js";
import type { Clock } from "./base/clock.js";
import { Input } from "./memory/protocol.js";
import type { Shard } from "./shards/shard.js";

const RETRY_MS = 100;

export interface DeliveryPorts {
  clock: Clock;
  /** To those who listen now; best effort. */
  stream(tenant: string, json: string): void;
  /** To a cache for other programs; best effort. */
  publish(transition: AlertTransition): void;
  /** Resolves when whoever delivers it has it safe on a disk; while that cannot be, it just does not. */
  keep(transition: AlertTransition): Promise<void>;
}

interface Told {
  position: number;
  isSafe: boolean;
}

interface FromShard {
  /** In the order in which it told them, from the first on that is not safe. */
  waiting: Told[];
  /** Up to here all are safe, and the shard is to be answered so. */
  safe: number;
  isAnswering: boolean;
}

/**
 * Hands on the alert transitions that shards tell, and answers each shard up to which position they are kept elsewhere, so that
 * after a start it tells the others again.
 */
export class AlertDelivery {
  readonly #ports: DeliveryPorts;
  readonly #shards = new Map<Shard, FromShard>();

  constructor(ports: DeliveryPorts) {
    this.#ports = ports;
  }

  /** Transitions that are not safe elsewhere yet. */
  waiting(shard: Shard): number {
    return this.#shards.get(shard)?.waiting.length ?? 0;
  }

  /** Resolves when the transition, as JSON, is kept elsewhere; while that cannot be, it just does not. */
  handOn(json: string): Promise<void> {
    const transition = JSON.parse(json) as AlertTransition;
    this.#ports.stream(transition.tenant, json);
    this.#ports.publish(transition);
    return this.#ports.keep(transition);
  }

  /** A transition that the shard has made durable, as JSON; `position` names it, and is above all that the shard's thread told before. */
  alert(shard: Shard, position: number, json: string): void {
    const from = this.#shards.get(shard) ?? { waiting: [], safe: 0, isAnswering: false };
    this.#shards.set(shard, from);
    const told = { position, isSafe: false };
    from.waiting.push(told);
    void this.handOn(json).then(() => {
      told.isSafe = true;
      this.#settle(shard, from);
    });
  }

  #settle(shard: Shard, from: FromShard): void {
    let safe = 0;
    // A thread that takes over tells again what the one before it has told.
    while (from.waiting[safe]?.isSafe) from.safe = Math.max(from.safe, from.waiting[safe++]!.position);
    if (safe === 0) return;
    from.waiting.splice(0, safe);
    this.#answer(shard, from, 0);
  }

  /** Not at once: what becomes safe together is answered together. */
  #answer(shard: Shard, from: FromShard, delayMs: number): void {
    if (from.isAnswering) return;
    from.isAnswering = true;
    this.#ports.clock.after(delayMs, () => {
      from.isAnswering = false;
      if (!shard.sendControl(Input.TOLD, 0, from.safe)) this.#answer(shard, from, RETRY_MS);
    });
  }
}
