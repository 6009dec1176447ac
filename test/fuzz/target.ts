import assert from "node:assert/strict";
import { MeterstormError } from "../../engine/base/errors.js";
import type { Mutate } from "./mutate.js";

/** Something that takes bytes from outside, and what may come of them. */
export interface Target {
  /** Also the folder of its corpus. */
  readonly name: string;
  /** Inputs that are fine, from which others are made. */
  readonly seeds: readonly Uint8Array[];
  readonly mutate: Mutate;
  /** Throws where something is wrong with what came of the input: any error but a MeterstormError is a finding. */
  run(input: Uint8Array): void | Promise<void>;
  close?(): Promise<void>;
}

/** A program's module that makes a target, given what its parent knows. */
export type OpenTarget = () => Target | Promise<Target>;

export function bytesOf(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text));
}

export function textIn(input: Uint8Array): string {
  return Buffer.from(input).toString("utf8");
}

/** A refusal in words is what is wanted; it must have both a code and words. */
export function assertCoded(error: unknown): asserts error is MeterstormError {
  if (!(error instanceof MeterstormError)) throw error;
  assert.match(error.code, /^[a-z][a-z0-9_]{2,40}$/);
  assert.ok(error.message.length > 10, `"${error.message}" says nothing`);
  // What is quoted of the input is bounded.
  assert.ok(error.message.length < 200_000, `a message of ${error.message.length} characters`);
}

/** What the task gives, or the refusal. */
export function orRefusal<T>(task: () => T): T | MeterstormError {
  try {
    return task();
  } catch (error) {
    assertCoded(error);
    return error;
  }
}

export async function orRefusalLater<T>(task: () => Promise<T>): Promise<T | MeterstormError> {
  try {
    return await task();
  } catch (error) {
    assertCoded(error);
    return error;
  }
}
