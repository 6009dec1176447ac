import { NONE } from "../../engine/base/entries.js";
import { Outcome } from "../../engine/memory/protocol.js";
import type { Directory } from "../state/directory.js";
import { AckQueue } from "./acks.js";
import type { Outbox } from "./outbox.js";
import type { Session } from "./sessions.js";

/** A character is at most 3 bytes of UTF-8, so a piece fits a record of the outcome ring. */
const PIECE_CHARS = 256 * 1024;
/** In the place of a datalogger's number: one that has sent nothing yet that was taken. */
const UNNAMED = NONE - 1;
/** In the place of a frame's bytes: a post, or a connection that waits for its welcome. */
const POST = NONE;
const GREETING = NONE - 1;

/** What is owed to a session once the batch is safe. */
interface Due {
  seq: number;
  bytes: number;
  oldestArrivalMs: number;
  rejects: readonly string[];
}

/** What is safe by its position, and yet has to wait: late inputs of its datalogger do. */
interface Held {
  session: number;
  seq: number;
  bytes: number;
  arrivalMs: number;
  detail: readonly string[] | null;
}

/** What dataloggers and posts are told, each thing when all that came before it is safe, and acks of a batch as one. */
export class Answers {
  readonly #outbox: Outbox;
  readonly #directory: Directory;
  readonly #sessions: ReadonlyMap<number, Session>;
  readonly #queue = new AckQueue();
  readonly #due = new Map<number, Due>();
  /** By datalogger, in order. */
  readonly #held = new Map<number, Held[]>();
  readonly #mustWait: (datalogger: number) => boolean;

  /** `mustWait`: whether what a datalogger sent is not yet as safe as acks promise, though its position is. */
  constructor(
    outbox: Outbox,
    directory: Directory,
    sessions: ReadonlyMap<number, Session>,
    mustWait: (datalogger: number) => boolean,
  ) {
    this.#outbox = outbox;
    this.#mustWait = mustWait;
    this.#directory = directory;
    this.#sessions = sessions;
  }

  /** An ack of a frame whose unit ends at `position`. */
  frame(position: number, session: Session, seq: number, bytes: number, arrivalMs: number, rejects: readonly string[]): void {
    this.#queue.push(position, session.id, numberOf(session), seq, bytes, arrivalMs, rejects.length === 0 ? null : rejects);
  }

  post(
    position: number,
    id: number,
    datalogger: number,
    seq: number,
    accepted: number,
    arrivalMs: number,
    rejects: readonly string[],
  ): void {
    const echoed = seq > 0 ? `"seq":${seq},` : "";
    const list = rejects.map((reject, i) => (i === 0 ? reject : `,${reject}`));
    this.#queue.push(position, id, datalogger, 0, POST, arrivalMs, [
      `{${echoed}"accepted":${accepted},"rejected":[`,
      ...list,
      "]}",
    ]);
  }

  /**
   * A welcome, told once everything is safe that earlier connections of the datalogger sent: with less it would send again,
   * perhaps under other seqs, frames that are computed already, and more of them than are remembered.
   */
  greeting(position: number, session: Session, arrivalMs: number): void {
    this.#queue.push(position, session.id, numberOf(session), 0, GREETING, arrivalMs, null);
  }

  /** Gives out all that is owed up to the safe position. */
  release(position: number): void {
    if (this.#held.size > 0) this.#releaseHeld();
    this.#queue.release(position, this.#give);
    for (const [session, due] of this.#due) this.#sendAck(session, due);
    this.#due.clear();
  }

  #releaseHeld(): void {
    for (const [datalogger, held] of this.#held) {
      if (this.#mustWait(datalogger)) continue;
      this.#held.delete(datalogger);
      for (const { session, seq, bytes, arrivalMs, detail } of held)
        this.#tell(session, datalogger, seq, bytes, arrivalMs, detail);
    }
  }

  readonly #give = (
    session: number,
    datalogger: number,
    seq: number,
    bytes: number,
    arrivalMs: number,
    detail: readonly string[] | null,
  ): void => {
    const held = this.#held.get(datalogger);
    if (held !== undefined) held.push({ session, seq, bytes, arrivalMs, detail });
    else if (this.#mustWait(datalogger)) this.#held.set(datalogger, [{ session, seq, bytes, arrivalMs, detail }]);
    else this.#tell(session, datalogger, seq, bytes, arrivalMs, detail);
  };

  #tell(
    session: number,
    datalogger: number,
    seq: number,
    bytes: number,
    arrivalMs: number,
    detail: readonly string[] | null,
  ): void {
    if (bytes === POST) {
      const pieces = inPieces(detail ?? ["{}"], "");
      pieces.forEach((piece, i) => {
        this.#outbox.sendText(Outcome.POSTED, session, i === pieces.length - 1 ? 200 : 0, arrivalMs, piece);
      });
      return;
    }
    if (bytes === GREETING) {
      this.#welcome(session);
      return;
    }
    const state = datalogger === UNNAMED ? null : this.#directory.dataloggerState(datalogger);
    if (state !== null && seq > state.safeSeq) state.safeSeq = seq;
    const safeSeq = state?.safeSeq ?? 0;
    const due = this.#due.get(session);
    if (due === undefined) this.#due.set(session, { seq: safeSeq, bytes, oldestArrivalMs: arrivalMs, rejects: detail ?? [] });
    else {
      due.seq = safeSeq;
      due.bytes += bytes;
      if (detail !== null) due.rejects = due.rejects.length === 0 ? detail : due.rejects.concat(detail);
    }
  }

  #welcome(id: number): void {
    const number = this.#sessions.get(id)?.dataloggerNumber;
    if (number === undefined) return;
    this.#outbox.send(Outcome.WELCOME, id, 0, number < 0 ? 0 : this.#directory.dataloggerState(number).safeSeq);
  }

  /** More rejects than fit one record follow in further acks of the same seq. */
  #sendAck(session: number, due: Due): void {
    let bytes = due.bytes;
    for (const piece of inPieces(due.rejects, ",")) {
      const rejects = Buffer.from(piece);
      const payload = Buffer.allocUnsafe(8 + rejects.length);
      payload.writeDoubleLE(due.oldestArrivalMs, 0);
      rejects.copy(payload, 8);
      this.#outbox.send(Outcome.ACK, session, bytes, due.seq, payload);
      bytes = 0;
    }
  }
}

function numberOf(session: Session): number {
  return session.dataloggerNumber < 0 ? UNNAMED : session.dataloggerNumber;
}

/** Joins texts into as few pieces as keep below a record's size; at least one, perhaps empty. */
function inPieces(texts: readonly string[], separator: string): string[] {
  const pieces: string[] = [];
  let group: string[] = [];
  let chars = 0;
  for (const text of texts) {
    if (chars + text.length > PIECE_CHARS && group.length > 0) {
      pieces.push(group.join(separator));
      group = [];
      chars = 0;
    }
    group.push(text);
    chars += text.length + separator.length;
  }
  pieces.push(group.join(separator));
  return pieces;
}
