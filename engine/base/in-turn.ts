/** Lets in one task after the other, whoever brings them: for what can do only one at a time. */
export class InTurn {
  #last: Promise<unknown> = Promise.resolve();

  /** Resolves or rejects as `task` does, which begins when all before it are over, however they ended. */
  take<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task, task);
    this.#last = result.catch(() => undefined);
    return result;
  }
}
