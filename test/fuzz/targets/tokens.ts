import assert from "node:assert/strict";
import { createKey, KeyRing } from "../../../engine/config/keys.js";
import { parseConfig } from "../../../engine/config/load.js";
import { mutateBytes } from "../mutate.js";
import { bytesOf, type Target } from "../target.js";

const secrets = (bytes: number) => new Uint8Array(bytes).fill(7);
const { token, sha256 } = createKey("acme", "k1", secrets);
const parsed = parseConfig({ tenants: [{ id: "acme", keys: [{ id: "k1", sha256, role: "read" }] }] }, "test");

/** Whoever is let in has said exactly the token, behind the word that RFC 7235 lets one write in any case. */
export function open(): Target {
  assert.ok("config" in parsed, JSON.stringify(parsed));
  const ring = new KeyRing(parsed.config);
  const run = (input: Uint8Array): void => {
    const header = Buffer.from(input).toString("latin1");
    const identity = ring.authenticate(header);
    const isRight = header.slice(0, 7).toLowerCase() === "bearer " && header.slice(7).replace(/^ */, "") === token;
    assert.deepEqual(identity, isRight ? { tenant: "acme", role: "read", keyId: "k1" } : null);
  };
  const seeds = [
    `Bearer ${token}`,
    `bearer   ${token}`,
    `Basic ${token}`,
    `Bearer acme.k1.${"x".repeat(256)}`,
    "Bearer ..",
    "",
  ].map(bytesOf);
  return { name: "tokens", seeds, mutate: mutateBytes, run };
}
