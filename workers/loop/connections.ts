import type { Origin } from "../../engine/memory/protocol.js";
import type { OpenSession } from "../../engine/shards/tasks.js";
import { Header, header, readBindings, readHeader } from "../decode/binary.js";
import type { Directory } from "../state/directory.js";
import { bindAlias, createSession, type Session } from "./sessions.js";

/** The connections that the shard knows of, by their ids. */
export class Connections {
  readonly #directory: Directory;
  readonly sessions = new Map<number, Session>();

  constructor(directory: Directory) {
    this.#directory = directory;
  }

  open(id: number, { tenant, datalogger }: Origin): Session {
    const session = createSession(id, tenant, datalogger);
    this.sessions.set(id, session);
    const number = this.#directory.tenantNumber(tenant);
    session.dataloggerNumber = number < 0 ? -1 : this.#directory.dataloggerNumber(number, datalogger);
    return session;
  }

  /** A connection of which the thread before this one knew, with what it had bound. */
  resume({ id, binds, ...origin }: OpenSession): Session {
    const session = this.open(id, origin);
    for (const frame of binds) bindAgain(session, frame);
    return session;
  }
}

function bindAgain(session: Session, frame: Uint8Array): void {
  const bytes = new Uint8Array((frame.length + 7) & ~7);
  bytes.set(frame);
  // One that cannot be read was refused when it came, and its connection is being closed.
  if (readHeader(bytes, new Uint32Array(bytes.buffer), 0, frame.length) !== Header.BIND) return;
  const bindings = readBindings(bytes, 0, frame.length, header.count);
  if (typeof bindings === "string") return;
  for (const { alias, meter } of bindings) bindAlias(session, alias, meter);
}
