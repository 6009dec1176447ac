import type { LateBatch } from "../state/late-inputs.js";

/** What is answered: a frame by an ack, a post by a body, a new connection by its welcome. */
export const Owed = { ACK: 0, BODY: 1, WELCOME: 2 } as const;

/** What few answers have. */
export interface Detail {
  /** Rejects of a frame, each a JSON object; parts of a body. */
  readonly texts: readonly string[];
  /** Late inputs that it speaks of. */
  readonly late: LateBatch | null;
  /** It is not given before this instant, in monotonic milliseconds. */
  readonly notBeforeMs: number;
}

/** An answer that waits until what it speaks of is safe. */
export interface Answer {
  /** Of `Owed`. */
  readonly kind: number;
  /** Journal position behind the unit. */
  readonly position: number;
  /** The session, or the post. */
  readonly id: number;
  /** The datalogger's number. */
  readonly datalogger: number;
  readonly seq: number;
  /** Of the frame. */
  readonly bytes: number;
  readonly arrivalMs: number;
  readonly detail: Detail | null;
}

/** Answers in journal order. */
export class AnswerQueue {
  readonly #answers: Answer[] = [];
  #head = 0;

  push(answer: Answer): void {
    this.#answers.push(answer);
  }

  /** Takes the next one that is due at `position`; null: there is none. */
  next(position: number): Answer | null {
    const answer = this.#answers[this.#head];
    if (answer === undefined || answer.position > position) return null;
    this.#head++;
    // Cut off now and then: shifting each would move all that wait.
    if (this.#head === this.#answers.length || this.#head === MOST_TAKEN) {
      this.#answers.splice(0, this.#head);
      this.#head = 0;
    }
    return answer;
  }
}

const MOST_TAKEN = 4096;
