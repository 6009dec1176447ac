import type { Outcome } from "./rounds.js";

const given = process.env["FUZZ_SEED"];
/** Another one in each run, so that runs add up; FUZZ_SEED says which. */
export const seedOfRun = given === undefined || given === "" ? Math.floor(Date.now() % 2 ** 31) : Number(given);

/** FUZZ_MS says how long each target is run, instead of what it is given. */
export function timeFor(ms: number): number {
  const wanted = Number(process.env["FUZZ_MS"] ?? "");
  return wanted > 0 ? wanted : ms;
}

/** Fails with what was found, or says how much was tried. */
export function reported({ inputs, finding }: Outcome, say: (line: string) => void): void {
  say(`seed ${seedOfRun}: ${inputs} inputs`);
  if (inputs === 0) throw new Error("no input was tried");
  if (finding === null) return;
  const { target, seed, number, what, input } = finding;
  throw new Error(
    `${target}, ${number < 0 ? "an input that is kept" : `input ${number}`} of FUZZ_SEED=${seed}\n${input}\n${what}\n` +
      `Run it again with FUZZ_SEED=${seed}; once it is put right, keep the input in test/fuzz/corpus/${target}/`,
  );
}
