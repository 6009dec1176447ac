import { MeterstormError, messageOf } from "../../engine/base/errors.js";
import { Random } from "../support/random.js";
import { corpusOf, shown } from "./corpus.js";
import type { Target } from "./target.js";

/** One input may take so long; a busy machine is told from a slow input by trying it again. */
export const SLOW_MS = 1_000;
const TRIES = 3;

export interface Finding {
  target: string;
  seed: number;
  /** Which of the inputs made from the seed; -1: one of the corpus. */
  number: number;
  what: string;
  input: string;
}

export interface Outcome {
  inputs: number;
  finding: Finding | null;
}

export interface Rounds {
  seed: number;
  forMs: number;
  nowMs(): number;
  /** Told before each input, so that one that never ends is known. */
  begins?(number: number, input: Uint8Array): void;
}

/** Runs the corpus, then inputs made from the seed until the time is over. At least the corpus and one input per seed are run. */
export async function fuzz(target: Target, { seed, forMs, nowMs, begins }: Rounds): Promise<Outcome> {
  const random = new Random(seed);
  const kept = corpusOf(target.name);
  const seeds = [...target.seeds, ...kept.map(({ bytes }) => bytes)];
  const endMs = nowMs() + forMs;
  let inputs = 0;
  const give = async (number: number, input: Uint8Array, name = ""): Promise<Finding | null> => {
    inputs++;
    begins?.(number, input);
    const what = await trouble(target, input, nowMs);
    return what === null ? null : { target: target.name, seed, number, what: name + what, input: shown(input) };
  };
  for (const { name, bytes } of kept) {
    const finding = await give(-1, bytes, `corpus ${name}: `);
    if (finding !== null) return { inputs, finding };
  }
  for (const [i, bytes] of target.seeds.entries()) {
    const finding = await give(-1, bytes, `seed ${i}: `);
    if (finding !== null) return { inputs, finding };
  }
  for (let number = 0; number === 0 || nowMs() < endMs; number++) {
    const finding = await give(number, target.mutate(random, seeds));
    if (finding !== null) return { inputs, finding };
  }
  return { inputs, finding: null };
}

/** What is wrong with what came of an input; null: nothing. */
async function trouble(target: Target, input: Uint8Array, nowMs: () => number): Promise<string | null> {
  let leastMs = Number.POSITIVE_INFINITY;
  for (let tried = 0; tried < TRIES && leastMs > SLOW_MS; tried++) {
    const startMs = nowMs();
    try {
      // Its own copy: a target that changes its input is found by nobody else.
      await target.run(input.slice());
    } catch (error) {
      const code = error instanceof MeterstormError ? ` ${error.code}` : "";
      return `${error instanceof Error ? error.name : "thrown"}${code}: ${messageOf(error)}\n${error instanceof Error ? (error.stack ?? "") : ""}`;
    }
    leastMs = Math.min(leastMs, nowMs() - startMs);
  }
  return leastMs > SLOW_MS ? `took ${Math.round(leastMs)} ms, ${TRIES} times` : null;
}
