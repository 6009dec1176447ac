import { MeterstormError } from "../base/errors.js";

/** What the engine says to a datalogger. Always JSON text. */
export interface Welcome {
  readonly type: "welcome";
  readonly protocol: string;
  readonly tenant: string;
  readonly datalogger: string;
  /** How safe an acked frame is. */
  readonly ack: "durable" | "stored" | "queued";
  readonly lastSeq: number;
  /** Bytes of frames that may be unacked. */
  readonly window: number;
  readonly maxFrameBytes: number;
}

/** A reading (or, without `index`, a whole frame) that was not taken. */
export interface Rejected {
  readonly seq: number;
  readonly index?: number;
  readonly meter?: string;
  readonly code: string;
}

export interface Ack {
  readonly type: "ack";
  readonly seq: number;
  readonly window: number;
  readonly rejected?: readonly Rejected[];
}

export interface Refusal {
  readonly type: "error";
  readonly code: string;
  readonly message: string;
}

export type ServerMessage = Welcome | Ack | Refusal;

/** Reads one message; throws MeterstormError `protocol` on anything that the contract does not know. */
export function parseServerMessage(text: string): ServerMessage {
  let message: Partial<ServerMessage> | null;
  try {
    message = JSON.parse(text) as Partial<ServerMessage> | null;
  } catch {
    throw unreadable(text);
  }
  if (message?.type === "ack" && Number.isSafeInteger(message.seq) && Number.isFinite(message.window)) return message as Ack;
  if (message?.type === "error" && typeof message.code === "string") return message as Refusal;
  if (
    message?.type === "welcome" &&
    Number.isSafeInteger(message.lastSeq) &&
    Number.isFinite(message.window) &&
    Number.isSafeInteger(message.maxFrameBytes)
  ) {
    return message as Welcome;
  }
  throw unreadable(text);
}

function unreadable(text: string): MeterstormError {
  const shown = text.length > 200 ? `${text.slice(0, 200)}…` : text;
  return new MeterstormError(
    "protocol",
    `the server sent ${JSON.stringify(shown)}, which is no welcome, ack or error of meterstorm.v1; check that the address is an engine's`,
  );
}
