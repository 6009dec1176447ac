/**
 * Waits, without blocking the thread, until the word differs from `seen`, at the latest for `timeoutMs`.
 *
 * Always timed: a notification can be missed when it falls between the caller's look and its wait for
 * another word, and the waiter does not keep the event loop alive. Whoever waits looks again.
 */
export async function waitFor(words: Int32Array, index: number, seen: number, timeoutMs: number): Promise<void> {
  const result = Atomics.waitAsync(words, index, seen, timeoutMs);
  if (result.async) await result.value;
}
