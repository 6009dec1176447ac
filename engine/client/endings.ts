import { MeterstormError } from "../base/errors.js";
import type { Welcome } from "./messages.js";

/** Errors after which another connection would only meet the same end. */
const FINAL_CODES = new Set(["seq_reused", "over_window", "malformed", "frame_too_large", "replaced"]);
/** Protocol error, malformed, policy, too large: the same frames would be answered the same. */
const FINAL_CLOSES = new Set([1002, 1007, 1008, 1009]);

export function isFinal(error: MeterstormError): boolean {
  return FINAL_CODES.has(error.code);
}

/** The error that a closed connection ends with, or null where another attempt makes sense. `refusal` is what the server said before. */
export function errorOfClose(
  code: number,
  reason: string,
  refusal: MeterstormError | null,
  datalogger: string,
): MeterstormError | null {
  if (code === 1008 && reason.includes("replaced")) {
    return new MeterstormError(
      "replaced",
      `another connection came as datalogger ${JSON.stringify(datalogger)}; one at a time may: give each its own id`,
    );
  }
  if (!FINAL_CLOSES.has(code)) return null;
  return refusal ?? new MeterstormError("closed", `the server closed the connection with ${code} ${reason}`);
}

export function foreignFrames(welcome: Welcome, sentSeq: number): MeterstormError {
  return new MeterstormError(
    "seq_reused",
    `the engine has frame ${welcome.lastSeq} of datalogger ${JSON.stringify(welcome.datalogger)}, this client sent up to ${sentSeq}: another sends under the same id; give each its own`,
  );
}
