import type { TextForm } from "./text-frame-maker.js";

/** What a load test does; `engine/commands/load.ts` makes it from the command line. */
export interface LoadOptions {
  /** The engine's address, `ws:` or `http:`. */
  readonly url: string;
  /** Tokens to send with, one a tenant; dataloggers are dealt out to them in turn. */
  readonly tokens: readonly string[];
  /** Tokens to read with for the verification, in the same order; by default those that send. */
  readonly readTokens: readonly string[];
  readonly dataloggers: number;
  readonly metersPerDatalogger: number;
  /** Readings per second of all dataloggers together; null: as fast as the engine takes them. */
  readonly readingsPerSecond: number | null;
  /** Ends when so long has passed, or so many readings are sent, whichever is first; at least one is given. */
  readonly durationMs: number | null;
  readonly readings: number | null;
  readonly format: "binary" | "text";
  readonly textForm: TextForm;
  /** Readings a frame; null: as many as fit (flat out), or ten frames a second from each datalogger (with a rate). */
  readonly frameReadings: number | null;
  readonly seed: number;
  /** Begins the ids of dataloggers and meters; null: one that no other run has. */
  readonly name: string | null;
  /** Time of the first reading and milliseconds between two of a meter; null: live with a rate, else history. */
  readonly startMs: number | null;
  readonly intervalMs: number | null;
  /** How many meters to read back. */
  readonly verify: "all" | "none" | number;
  /** Whether deltas are compared too: the meters must be counters with three decimals. */
  readonly deltas: boolean;
  /** Gives up when no ack has come for so long. */
  readonly patienceMs: number;
  /** How long the store may take to show what was acked. */
  readonly verifyWithinMs: number;
}
