import { createHash, timingSafeEqual } from "node:crypto";
import type { Config, Role } from "./schema.js";

export interface Identity {
  tenant: string;
  role: Role;
  keyId: string;
}

export interface NewKey {
  /** What the client sends; only here is the secret ever seen. */
  token: string;
  /** What the configuration keeps. */
  sha256: string;
}

const SECRET_BYTES = 32;
const BEARER = /^Bearer +([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{1,64})\.([\x21-\x7e]{1,256})$/i;
/** The hash of the key that an identity comes from: it is known by it, and tells it to nobody. */
const hashes = new WeakMap<Identity, Buffer>();
const NOBODY = Buffer.alloc(32);

/** A token whose secret is 32 bytes of `random`, which must be fit for secrets. */
export function createKey(tenant: string, keyId: string, random: (bytes: number) => Uint8Array): NewKey {
  const secret = Buffer.from(random(SECRET_BYTES)).toString("base64url");
  return { token: `${tenant}.${keyId}.${secret}`, sha256: sha256(secret).toString("hex") };
}

/** All keys of a configuration; a change of the configuration makes a new ring. */
export class KeyRing {
  readonly #keys = new Map<string, { identity: Identity; hash: Buffer }>();

  constructor(config: Pick<Config, "tenants">) {
    for (const tenant of config.tenants)
      for (const key of tenant.keys) {
        const identity = Object.freeze({ tenant: tenant.id, role: key.role, keyId: key.id });
        const hash = Buffer.from(key.sha256, "hex");
        hashes.set(identity, hash);
        this.#keys.set(`${tenant.id}.${key.id}`, { identity, hash });
      }
  }

  /**
   * Whose token an `Authorization` header carries, `null` for none that is known. An unknown tenant
   * or key costs the same hash and the same comparison as a wrong secret, so that the time taken
   * does not tell which ids exist.
   */
  authenticate(header: string | undefined): Identity | null {
    const match = BEARER.exec(header ?? "");
    if (match === null) return null;
    const key = this.#keys.get(`${match[1]}.${match[2]}`);
    const same = timingSafeEqual(sha256(match[3] ?? ""), key?.hash ?? NOBODY);
    return same && key !== undefined ? key.identity : null;
  }

  /** Whether an identity, of this ring or of one before it, comes from a key that is here: the same secret with the same role. */
  knows(identity: Identity): boolean {
    const key = this.#keys.get(`${identity.tenant}.${identity.keyId}`);
    const hash = hashes.get(identity);
    return key !== undefined && hash !== undefined && key.identity.role === identity.role && key.hash.equals(hash);
  }
}

/** Whether a role may do what needs `needed`: admin may all. */
export function permits(role: Role, needed: Role): boolean {
  return role === "admin" || role === needed;
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
