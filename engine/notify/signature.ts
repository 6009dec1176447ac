import { createHmac } from "node:crypto";

/** The header that proves who sent a body and when: an HMAC-SHA256 over `<unix seconds>.<body>`. */
export function signature(secret: string, seconds: number, body: string): string {
  return `t=${seconds},v1=${createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex")}`;
}
