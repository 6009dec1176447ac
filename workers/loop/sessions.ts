/** A connection as the shard sees it. */
export interface Session {
  readonly id: number;
  readonly tenant: string;
  readonly datalogger: string;
  /** The datalogger's number, -1 until its first frame. */
  dataloggerNumber: number;
  /** Its last frame was mostly late. */
  isLate: boolean;
  /** alias → meter's number; UNBOUND, or below it an index into `names` for a meter not yet seen in a frame. */
  aliases: Int32Array;
  readonly names: (string | null)[];
}

export const UNBOUND = -1;

export function createSession(id: number, tenant: string, datalogger: string): Session {
  return { id, tenant, datalogger, dataloggerNumber: -1, isLate: false, aliases: new Int32Array(0), names: [] };
}

/** Binds an alias to a meter's id (`null`: to no valid one, so that readings under it are rejected by name). */
export function bindAlias(session: Session, alias: number, meter: string | null): void {
  if (alias >= session.aliases.length) {
    const aliases = new Int32Array(Math.max(64, 2 ** Math.ceil(Math.log2(alias + 1)))).fill(UNBOUND);
    aliases.set(session.aliases);
    session.aliases = aliases;
  }
  session.names.push(meter);
  session.aliases[alias] = -1 - session.names.length;
}

/** The id behind a value of `aliases` that is below UNBOUND. */
export function pendingName(session: Session, value: number): string | null {
  return session.names[-2 - value] ?? null;
}
