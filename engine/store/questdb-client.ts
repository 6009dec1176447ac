import { createBuffer, type SenderBuffer, SenderOptions } from "@questdb/nodejs-client";
import { MeterstormError, messageOf } from "../base/errors.js";
import type { QuestDbAddress } from "./questdb-http.js";

/** Rows in the official client's hands. */
export type RowBuffer = SenderBuffer;

/**
 * The official client's row buffer: it composes the rows of the tables that get few of them.
 *
 * Its own transports are left aside. They retry inside a call, even a request that hung, so that an
 * older copy of a row could be committed after a newer one; and its `flush` empties the buffer
 * before it sends. Here the bytes stay with the caller until the store has answered.
 */
export async function officialBuffer(address: QuestDbAddress): Promise<RowBuffer> {
  try {
    return createBuffer(await SenderOptions.fromConfig(connectionString(address)));
  } catch (error) {
    throw new MeterstormError("store_config", `the store's address is not usable: ${messageOf(error)}`, { cause: error });
  }
}

/** The standard connection string of QuestDB's clients; a semicolon in a value is written twice. */
export function connectionString(address: QuestDbAddress): string {
  const url = new URL(address.http);
  const secure = url.protocol === "https:";
  const port = url.port === "" ? (secure ? "443" : "80") : url.port;
  let text = `${secure ? "https" : "http"}::addr=${url.hostname}:${port};protocol_version=2;auto_flush=off;`;
  if (address.username !== null) text += `username=${doubled(address.username)};password=${doubled(address.password ?? "")};`;
  return text;
}

function doubled(text: string): string {
  return text.replaceAll(";", ";;");
}
