/** Numbers that were marked since they were last taken, each once, in order of their first mark. */
export class ChangedSet {
  #marked = new Uint8Array(1024);
  #list: number[] = [];

  mark(number: number): void {
    if (number >= this.#marked.length) {
      const marked = new Uint8Array(Math.max(number + 1, this.#marked.length * 2));
      marked.set(this.#marked);
      this.#marked = marked;
    }
    if (this.#marked[number] === 1) return;
    this.#marked[number] = 1;
    this.#list.push(number);
  }

  /** Takes out at most `limit` of them, oldest marks first. */
  take(limit: number): number[] {
    const taken = this.#list.slice(0, limit);
    this.#list = this.#list.slice(limit);
    for (const number of taken) this.#marked[number] = 0;
    return taken;
  }
}
