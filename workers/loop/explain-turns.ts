/** Lets in one question after the other: what several ask of one that answers one at a time. */
export class InTurn {
  #last: Promise<unknown> = Promise.resolve();

  /** Resolves or rejects as `ask` does, which begins when all before it are over, however they ended. */
  take<T>(ask: () => Promise<T>): Promise<T> {
    const answer = this.#last.then(ask, ask);
    this.#last = answer.catch(() => undefined);
    return answer;
  }
}
