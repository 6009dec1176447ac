import { NONE } from "../../engine/base/entries.js";
import { Outcome } from "../../engine/memory/protocol.js";
import type { Directory } from "../state/directory.js";
import { type Answer, AnswerQueue, type Detail, Owed } from "./answer.js";
import type { Outbox } from "./outbox.js";
import type { Session } from "./sessions.js";

/** A character is at most 3 bytes of UTF-8, so a piece fits a record of the outcome ring. */
const PIECE_CHARS = 256 * 1024;
/** In the place of a datalogger's number: one that has sent nothing yet that was taken. */
const UNNAMED = NONE - 1;

/** What is owed to a session once the batch is safe. */
interface Due {
  seq: number;
  bytes: number;
  oldestArrivalMs: number;
  rejects: readonly string[];
}

/** What dataloggers and posts are told, each thing when all that came before it is safe, and acks of a batch as one. */
export class Answers {
  readonly #outbox: Outbox;
  readonly #directory: Directory;
  readonly #sessions: ReadonlyMap<number, Session>;
  readonly #queue = new AnswerQueue();
  readonly #due = new Map<number, Due>();
  /** What is safe by its position, and yet has to wait, with all that comes behind it; by datalogger, in order. */
  readonly #held = new Map<number, Answer[]>();
  readonly #mustWait: (detail: Detail) => boolean;

  /** `mustWait`: whether an answer has to wait though its position is safe. */
  constructor(
    outbox: Outbox,
    directory: Directory,
    sessions: ReadonlyMap<number, Session>,
    mustWait: (detail: Detail) => boolean,
  ) {
    this.#outbox = outbox;
    this.#mustWait = mustWait;
    this.#directory = directory;
    this.#sessions = sessions;
  }

  /** An ack of a frame whose unit ends at `position`. */
  frame(position: number, session: Session, seq: number, bytes: number, arrivalMs: number, detail: Detail | null): void {
    const { id } = session;
    this.#queue.push({ kind: Owed.ACK, position, id, datalogger: numberOf(session), seq, bytes, arrivalMs, detail });
  }

  /** The answer to a post; `seq` 0: it had none. */
  post(
    position: number,
    id: number,
    datalogger: number,
    seq: number,
    accepted: number,
    arrivalMs: number,
    detail: Detail | null,
  ): void {
    const echoed = seq > 0 ? `"seq":${seq},` : "";
    const { texts: rejects, ...rest } = detail ?? { texts: [], late: null, notBeforeMs: 0 };
    const list = rejects.map((reject, i) => (i === 0 ? reject : `,${reject}`));
    const texts = [`{${echoed}"accepted":${accepted},"rejected":[`, ...list, "]}"];
    this.#queue.push({ kind: Owed.BODY, position, id, datalogger, seq: 0, bytes: 0, arrivalMs, detail: { texts, ...rest } });
  }

  /**
   * A welcome, told once everything is safe that earlier connections of the datalogger sent: with less it would send again,
   * perhaps under other seqs, frames that are computed already, and more of them than are remembered. `detail`: late inputs that no
   * answer has spoken of, such as those that were found at the start.
   */
  greeting(position: number, session: Session, arrivalMs: number, detail: Detail | null): void {
    const { id } = session;
    this.#queue.push({ kind: Owed.WELCOME, position, id, datalogger: numberOf(session), seq: 0, bytes: 0, arrivalMs, detail });
  }

  /** Gives out all that is owed up to the safe position. */
  release(position: number): void {
    if (this.#held.size > 0) this.#releaseHeld();
    for (let answer = this.#queue.next(position); answer !== null; answer = this.#queue.next(position)) this.#give(answer);
    for (const [session, due] of this.#due) this.#sendAck(session, due);
    this.#due.clear();
  }

  #releaseHeld(): void {
    for (const [datalogger, held] of this.#held) {
      let told = 0;
      for (const answer of held) {
        if (answer.detail !== null && this.#mustWait(answer.detail)) break;
        this.#tell(answer);
        told++;
      }
      if (told === held.length) this.#held.delete(datalogger);
      else if (told > 0) held.splice(0, told);
    }
  }

  #give(answer: Answer): void {
    const held = this.#held.get(answer.datalogger);
    if (held !== undefined) held.push(answer);
    else if (answer.detail !== null && this.#mustWait(answer.detail)) this.#held.set(answer.datalogger, [answer]);
    else this.#tell(answer);
  }

  #tell(answer: Answer): void {
    if (answer.kind === Owed.BODY) this.#body(answer);
    else if (answer.kind === Owed.WELCOME) this.#welcome(answer.id);
    else this.#ack(answer);
  }

  #body({ id, arrivalMs, detail }: Answer): void {
    const pieces = inPieces(detail?.texts ?? ["{}"], "");
    pieces.forEach((piece, i) => {
      this.#outbox.sendText(Outcome.POSTED, id, i === pieces.length - 1 ? 200 : 0, arrivalMs, piece);
    });
  }

  #ack({ id, datalogger, seq, bytes, arrivalMs, detail }: Answer): void {
    const state = datalogger === UNNAMED ? null : this.#directory.dataloggerState(datalogger);
    if (state !== null && seq > state.safeSeq) state.safeSeq = seq;
    const safeSeq = state?.safeSeq ?? 0;
    const due = this.#due.get(id);
    const rejects = detail?.texts ?? [];
    if (due === undefined) this.#due.set(id, { seq: safeSeq, bytes, oldestArrivalMs: arrivalMs, rejects });
    else {
      due.seq = safeSeq;
      due.bytes += bytes;
      if (rejects.length > 0) due.rejects = due.rejects.length === 0 ? rejects : due.rejects.concat(rejects);
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
