/**
 * A failure that somebody outside can act on. `code` is stable and documented, the message says
 * what was found, what is allowed and what to do about it.
 */
export class MeterstormError extends Error {
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "MeterstormError";
    this.code = code;
  }
}

/** A broken assumption of our own: never caught to go on, only to report and stop what relied on it. */
export class InvariantError extends Error {
  constructor(message: string) {
    super(`invariant broken: ${message}`);
    this.name = "InvariantError";
  }
}

export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** The text of anything that was thrown, for logs and for messages to people. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Why a reading or a frame was not taken. The position in this list is what travels between
 * threads and in the journal; the name is the public code. Append only.
 */
export const REJECT_CODES = [
  "malformed",
  "meter_invalid",
  "meter_limit",
  "alias_unbound",
  "ts_invalid",
  "ts_future",
  "ts_too_old",
  "value_invalid",
  "value_out_of_range",
  "rev_invalid",
  "exchange_invalid",
  "meter_elsewhere",
] as const;

export type RejectCode = (typeof REJECT_CODES)[number];

export function rejectCodeIndex(code: RejectCode): number {
  return REJECT_CODES.indexOf(code);
}
