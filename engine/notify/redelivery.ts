import { MeterstormError, messageOf } from "../base/errors.js";
import { InTurn } from "../base/in-turn.js";
import type { DeadLetter, DeadLetters, FoundLetter } from "./dead-letters.js";
import { type NotifyLog, shownAddress, type Webhook, webhookId } from "./transition.js";

/** How the way to a webhook stands. */
export interface ChannelState {
  readonly waiting: number;
  /** When the first of what waits was taken, epoch ms. */
  readonly oldestMs: number | null;
  /** Failed attempts in a row, and what the last one said; empty where it was before the start. */
  readonly attempts: number;
  readonly failure: string;
  /** Before when no other attempt is made, epoch ms. */
  readonly nextMs: number | null;
  /** Transitions that were left out in favour of a newer state of their incident, since the start. */
  readonly heldBack: number;
}

interface Named {
  /** What files and answers know it by. */
  readonly webhook: string;
  /** Without what may be a secret; empty where it is not known any more. */
  readonly url: string;
  /** Its place in the client's configuration; null: it is not there any more. */
  readonly position: number | null;
}

interface Known extends Named {
  readonly letters: FoundLetter[];
}

export interface WebhookState extends Named, ChannelState {
  readonly deadLetters: number;
}

/** What became of a webhook's dead letters. */
export interface Redelivered extends Named {
  /** They wait again. */
  readonly redelivered: number;
  /** Still dead letters: too many wait, or the webhook is not configured any more. */
  readonly left: number;
}

export interface RedeliveryPorts {
  readonly letters: DeadLetters;
  readonly log: NotifyLog;
  webhooks(tenant: string): readonly Webhook[];
  state(webhook: string): ChannelState | null;
  /** Resolves when all that was taken is on the disk. Rejects with a MeterstormError when that cannot be soon. */
  flush(): Promise<void>;
  /** Lets the first of these wait again, as many as there is room for, and says how many; the webhook is tried at once. */
  take(tenant: string, webhook: Webhook, letters: readonly DeadLetter[]): number;
}

/** Between two of these others have their turn. */
const BATCH = 500;
const IDLE: ChannelState = { waiting: 0, oldestMs: null, attempts: 0, failure: "", nextMs: null, heldBack: 0 };

/** Lists dead letters, and lets them wait again: they leave their files only when they are safe among what waits. */
export class Redelivery {
  readonly #ports: RedeliveryPorts;
  readonly #turn = new InTurn();

  constructor(ports: RedeliveryPorts) {
    this.#ports = ports;
  }

  /**
   * A client's webhooks, those that are gone too as long as they have dead letters.
   * @throws MeterstormError `dead_letters_unreadable`, `notify_disk`, `busy`
   */
  async list(tenant: string): Promise<WebhookState[]> {
    await this.#ports.flush();
    const found = await this.#read(tenant);
    return this.#known(tenant, found).map(({ letters, ...known }) => ({
      ...known,
      ...(this.#ports.state(known.webhook) ?? IDLE),
      deadLetters: letters.length,
    }));
  }

  /**
   * Lets the dead letters of a client's webhooks, or of one of them, wait again; null: there is no such webhook. After an error
   * some may wait, and all are still dead letters.
   * @throws MeterstormError `dead_letters_unreadable`, `notify_disk`, `busy`
   */
  redeliver(tenant: string, only: string | null): Promise<Redelivered[] | null> {
    return this.#turn.take(async () => {
      await this.#ports.flush();
      const known = this.#known(tenant, await this.#read(tenant)).filter(({ webhook }) => only === null || webhook === only);
      if (only !== null && known.length === 0) return null;
      const results: Redelivered[] = [];
      const again: FoundLetter[] = [];
      for (const { letters, ...webhook } of known) {
        const taken = await this.#take(tenant, webhook.webhook, letters);
        for (const letter of letters.slice(0, taken)) again.push(letter);
        results.push({ ...webhook, redelivered: taken, left: letters.length - taken });
      }
      await this.#forget(tenant, again);
      return results;
    });
  }

  async #take(tenant: string, id: string, found: readonly FoundLetter[]): Promise<number> {
    for (let taken = 0; ; ) {
      // Looked up each time: the configuration may have changed meanwhile.
      const webhook = this.#ports.webhooks(tenant).find(({ url }) => webhookId(tenant, url) === id);
      if (webhook === undefined) return taken;
      const batch = found.slice(taken, taken + BATCH).map(({ letter }) => letter);
      const count = this.#ports.take(tenant, webhook, batch);
      if (count > 0) await this.#ports.flush();
      taken += count;
      if (count < BATCH) return taken;
    }
  }

  async #forget(tenant: string, again: readonly FoundLetter[]): Promise<void> {
    if (again.length === 0) return;
    this.#ports.log.info(`${again.length} dead letters of ${tenant} wait for their webhooks again`);
    try {
      await this.#ports.letters.remove(again);
    } catch (error) {
      this.#ports.log.warn(
        `${again.length} dead letters of ${tenant} wait again and could not be taken out of their files: ${messageOf(error)}`,
      );
    }
  }

  /** Those that are configured, in order, then those that are not any more. */
  #known(tenant: string, found: readonly FoundLetter[]): Known[] {
    const known = new Map<string, Known>();
    for (const [position, { url }] of this.#ports.webhooks(tenant).entries()) {
      const webhook = webhookId(tenant, url);
      known.set(webhook, { webhook, url: shownAddress(url), position, letters: [] });
    }
    for (const each of found) {
      const { webhook, origin: url } = each.letter;
      if (!known.has(webhook)) known.set(webhook, { webhook, url, position: null, letters: [] });
      known.get(webhook)!.letters.push(each);
    }
    return [...known.values()];
  }

  async #read(tenant: string): Promise<FoundLetter[]> {
    try {
      return await this.#ports.letters.read(tenant);
    } catch (error) {
      throw new MeterstormError("dead_letters_unreadable", `the dead letters cannot be read: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }
}
