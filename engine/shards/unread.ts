import { Input } from "../memory/protocol.js";
import type { OpenSession } from "./tasks.js";

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

/** What the main thread knows of a connection when the thread of its shard is gone. */
export interface LeftSession {
  readonly id: number;
  readonly tenant: string;
  readonly datalogger: string;
  /** All its bind frames, in order. */
  readonly binds: readonly Uint8Array[];
  readonly isWelcomed: boolean;
  /** Bytes of frames that no ack of the shard has named. */
  readonly unackedBytes: number;
}

/** What a successor has to know of a connection, and how many bytes are going to be acked. */
export interface Resumed {
  /** Null: it learns of the connection by a HELLO that is still to come. */
  readonly session: OpenSession | null;
  readonly unackedBytes: number;
}

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

  /** How a connection goes on. */
  resume({ id, tenant, datalogger, binds, isWelcomed, unackedBytes }: LeftSession): Resumed {
    const { bytes, binds: toCome, hello } = this.ofSession(id);
    const lost = Math.max(0, unackedBytes - bytes);
    // Frames may have been acked that were not given back yet: they are going to be acked again.
    if (hello) return { session: null, unackedBytes: bytes + lost };
    const bound = binds.slice(0, binds.length - toCome);
    const session = { id, tenant, datalogger, binds: bound, isWelcome: !isWelcomed, unackedBytes: lost };
    return { session, unackedBytes: bytes + lost };
  }

  hasPost(id: number): boolean {
    return this.#posts.has(id);
  }
}
