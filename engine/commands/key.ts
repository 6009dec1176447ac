import { randomBytes } from "node:crypto";
import { createKey } from "../config/keys.js";
import { ROLES } from "../config/schema.js";
import type { CommandIo } from "./check.js";

export interface KeyOptions {
  tenant: string;
  role: string;
  /** Made up where it is left out. */
  id?: string;
}

const ID = /^[A-Za-z0-9_-]{1,64}$/;

/** Prints a token, the only time that its secret is seen, and the line for the tenant's `keys`. The exit code: 0, or 1 for a wrong option. */
export function runKeyCreate(options: KeyOptions, io: CommandIo, random: (bytes: number) => Uint8Array = randomBytes): number {
  const role = ROLES.find((name) => name === options.role);
  const id = options.id ?? `k${Buffer.from(random(4)).toString("hex")}`;
  const wrong = [
    ...(ID.test(options.tenant) ? [] : [`--tenant: found ${JSON.stringify(options.tenant)}; allowed: 1–64 of A-Z a-z 0-9 _ -.`]),
    ...(role === undefined ? [`--role: found ${JSON.stringify(options.role)}; allowed: ${ROLES.join(", ")}.`] : []),
    ...(ID.test(id) ? [] : [`--id: found ${JSON.stringify(id)}; allowed: 1–64 of A-Z a-z 0-9 _ -.`]),
  ];
  if (wrong.length > 0) {
    for (const line of wrong) io.err(line);
    return 1;
  }
  const key = createKey(options.tenant, id, random);
  io.out(`token, shown this once: ${key.token}`);
  io.out(`for "keys" of tenant ${options.tenant}: ${JSON.stringify({ id, sha256: key.sha256, role })}`);
  return 0;
}
