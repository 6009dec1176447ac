import { createHash } from "node:crypto";
import type { Clock } from "../base/clock.js";
import { MeterstormError } from "../base/errors.js";
import type { Identity } from "../config/keys.js";

const LIFE_MS = 30_000;
/** Of one client; whoever asks for more than it uses waits until the oldest are over. */
const MOST_WAITING = 1000;
const SECRET_BYTES = 32;
/** What a subprotocol begins with that is a ticket. */
export const TICKET_PREFIX = "ticket.";

export interface Ticket {
  ticket: string;
  /** Epoch milliseconds. */
  expiresMs: number;
}

interface Waiting {
  identity: Identity;
  expiresMs: number;
}

/**
 * One-use tickets for those who cannot set a header on an upgrade, as in a browser. A ticket stands for the key by which it
 * was asked for, once and for 30 s.
 */
export class Tickets {
  readonly #clock: Clock;
  readonly #random: (bytes: number) => Uint8Array;
  /** By the hash of the ticket, in the order in which they end. */
  readonly #waiting = new Map<string, Waiting>();
  readonly #counts = new Map<string, number>();

  /** `random` must be fit for secrets. */
  constructor(clock: Clock, random: (bytes: number) => Uint8Array) {
    this.#clock = clock;
    this.#random = random;
  }

  /** @throws MeterstormError `ticket_limit` */
  issue(identity: Identity): Ticket {
    const nowMs = this.#clock.nowMs();
    this.#forgetOld(nowMs);
    const count = this.#counts.get(identity.tenant) ?? 0;
    if (count >= MOST_WAITING)
      throw new MeterstormError("ticket_limit", `${MOST_WAITING} tickets of this client wait to be used; use them, or wait 30 s`);
    const ticket = Buffer.from(this.#random(SECRET_BYTES)).toString("base64url");
    const expiresMs = nowMs + LIFE_MS;
    this.#waiting.set(keyOf(ticket), { identity, expiresMs });
    this.#counts.set(identity.tenant, count + 1);
    return { ticket, expiresMs };
  }

  /** Whose ticket is among the subprotocols that were offered, null for none that is good. It is used up by this. */
  redeem(protocols: readonly string[]): Identity | null {
    const offered = protocols.find((protocol) => protocol.startsWith(TICKET_PREFIX));
    if (offered === undefined) return null;
    const key = keyOf(offered.slice(TICKET_PREFIX.length));
    const found = this.#waiting.get(key);
    if (found === undefined) return null;
    this.#forget(key, found);
    return this.#clock.nowMs() < found.expiresMs ? found.identity : null;
  }

  #forgetOld(nowMs: number): void {
    for (const [key, waiting] of this.#waiting) {
      if (nowMs < waiting.expiresMs) return;
      this.#forget(key, waiting);
    }
  }

  #forget(key: string, { identity }: Waiting): void {
    this.#waiting.delete(key);
    const left = (this.#counts.get(identity.tenant) ?? 0) - 1;
    if (left > 0) this.#counts.set(identity.tenant, left);
    else this.#counts.delete(identity.tenant);
  }
}

/** A table is looked up by what nobody outside can choose, so the time that it takes tells nothing. */
function keyOf(ticket: string): string {
  return createHash("sha256").update(ticket).digest("base64url");
}
