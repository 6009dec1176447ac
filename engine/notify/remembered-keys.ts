/** The newest so many keys, oldest first. */
export class RememberedKeys {
  readonly #keys = new Set<string>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  has(key: string): boolean {
    return this.#keys.has(key);
  }

  add(key: string): void {
    // Anew at its place in the order: one that is brought again is as new as any.
    this.#keys.delete(key);
    this.#keys.add(key);
    if (this.#keys.size <= this.#most) return;
    const [oldest] = this.#keys;
    this.#keys.delete(oldest!);
  }

  all(): string[] {
    return [...this.#keys];
  }
}
