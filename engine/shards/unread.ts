import { Input } from "../memory/protocol.js";

/** What of one connection is not given back yet. */
export interface UnreadOfSession {
  /** Bytes of its frames. */
  bytes: number;
  /** How many of them are bind frames. */
  binds: number;
  /** Its HELLO is among it, so that whoever takes it learns of the connection then. */
  hello: boolean;
}

const NOTHING: UnreadOfSession = { bytes: 0, binds: 0, hello: false };
/** The first byte of a binary frame that binds aliases. */
const BIND = 2;

/** Records on their way to a shard that nobody has answered for yet, counted by whose they are. */
export class Unread {
  readonly #sessions = new Map<number, UnreadOfSession>();
  readonly #posts = new Set<number>();

  add(type: number, id: number, payload: Uint8Array): void {
    if (type === Input.POST) this.#posts.add(id);
    else if (type === Input.TEXT || type === Input.BINARY || type === Input.HELLO) {
      const found = this.#sessions.get(id) ?? { ...NOTHING };
      this.#sessions.set(id, found);
      if (type === Input.HELLO) found.hello = true;
      else found.bytes += payload.length;
      if (type === Input.BINARY && payload[0] === BIND) found.binds++;
    }
  }

  ofSession(id: number): Readonly<UnreadOfSession> {
    return this.#sessions.get(id) ?? NOTHING;
  }

  hasPost(id: number): boolean {
    return this.#posts.has(id);
  }
}
