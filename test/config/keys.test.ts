import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { createKey, KeyRing, permits } from "../../engine/config/keys.js";
import { parseConfig } from "../../engine/config/load.js";
import type { TenantConfig } from "../../engine/config/schema.js";

const sha256 = (secret: string) => createHash("sha256").update(secret).digest("hex");

function ring(): KeyRing {
  const result = parseConfig(
    {
      tenants: [
        {
          id: "acme",
          keys: [
            { id: "k1", sha256: sha256("s3cret"), role: "ingest" },
            { id: "k2", sha256: sha256("other.with.dots").toUpperCase(), role: "read" },
          ],
        },
        { id: "globex", keys: [{ id: "k1", sha256: sha256("globex-secret"), role: "admin" }] },
      ],
    },
    "test",
  );
  assert.ok("config" in result);
  return new KeyRing(result.config);
}

test("a token tells tenant, role and key", () => {
  const keys = ring();
  assert.deepEqual(keys.authenticate("Bearer acme.k1.s3cret"), { tenant: "acme", role: "ingest", keyId: "k1" });
  assert.deepEqual(keys.authenticate("bearer  acme.k2.other.with.dots"), { tenant: "acme", role: "read", keyId: "k2" });
  assert.deepEqual(keys.authenticate("Bearer globex.k1.globex-secret"), { tenant: "globex", role: "admin", keyId: "k1" });
});

const refused: [string, string | undefined][] = [
  ["no header", undefined],
  ["an empty header", ""],
  ["no scheme", "acme.k1.s3cret"],
  ["another scheme", "Basic acme.k1.s3cret"],
  ["no token", "Bearer "],
  ["two parts", "Bearer acme.k1"],
  ["an empty secret", "Bearer acme.k1."],
  ["an empty key", "Bearer acme..s3cret"],
  ["an unknown tenant", "Bearer acne.k1.s3cret"],
  ["an unknown key", "Bearer acme.k9.s3cret"],
  ["a wrong secret", "Bearer acme.k1.s3cre"],
  ["a longer secret", "Bearer acme.k1.s3crett"],
  ["another tenant's secret", "Bearer acme.k1.globex-secret"],
  ["another key's secret", "Bearer acme.k2.s3cret"],
  ["the hash for the secret", `Bearer acme.k1.${sha256("s3cret")}`],
  ["a space at its end", "Bearer acme.k1.s3cret "],
  ["a space inside", "Bearer acme.k1.s3 cret"],
  ["two tokens", "Bearer acme.k1.s3cret, Bearer acme.k1.s3cret"],
  ["a name of Object's own", "Bearer __proto__.constructor.x"],
  ["a secret that is far too long", `Bearer acme.k1.${"x".repeat(257)}`],
];

for (const [what, header] of refused) {
  test(`${what} is nobody`, () => {
    assert.equal(ring().authenticate(header), null);
  });
}

test("an unknown key is nobody even with a secret that hashes to nothing known", () => {
  assert.equal(new KeyRing({ tenants: [] }).authenticate("Bearer a.b.c"), null);
});

test("roles permit what they are for, admin everything", () => {
  assert.deepEqual(
    (["ingest", "read", "admin"] as const).map((role) =>
      (["ingest", "read", "admin"] as const).map((needed) => permits(role, needed)),
    ),
    [
      [true, false, false],
      [false, true, false],
      [true, true, true],
    ],
  );
});

test("a new key's token opens what its hash is kept for", () => {
  const key = createKey("acme", "k3", (bytes) => new Uint8Array(bytes).fill(7));
  assert.equal(key.token, `acme.k3.${Buffer.alloc(32, 7).toString("base64url")}`);
  assert.equal(key.sha256, sha256(Buffer.alloc(32, 7).toString("base64url")));
});

test("an identity is known as long as its key is there, the same secret with the same role", () => {
  const sha = (secret: string) => createHash("sha256").update(secret).digest("hex");
  const ringOf = (id: string, secret: string, role: "read" | "admin") =>
    new KeyRing({ tenants: [{ id: "acme", keys: [{ id, sha256: sha(secret), role }] }] as unknown as TenantConfig[] });
  const identity = ringOf("k", "one", "admin").authenticate("Bearer acme.k.one");
  assert.ok(identity !== null);
  assert.equal(ringOf("k", "one", "admin").knows(identity), true, "a ring made anew");
  assert.equal(ringOf("k", "two", "admin").knows(identity), false, "another secret");
  assert.equal(ringOf("k", "one", "read").knows(identity), false, "another role");
  assert.equal(ringOf("l", "one", "admin").knows(identity), false, "another id");
  assert.equal(new KeyRing({ tenants: [] }).knows(identity), false);
  assert.equal(ringOf("k", "one", "admin").knows({ ...identity }), false, "one that no ring gave");
});
