import assert from "node:assert/strict";
import { test } from "node:test";
import { runKeyCreate } from "../../engine/commands/key.js";
import { KeyRing } from "../../engine/config/keys.js";
import { parseConfig } from "../../engine/config/load.js";

function lines() {
  const out: string[] = [];
  const err: string[] = [];
  return { out, err, io: { out: (line: string) => out.push(line), err: (line: string) => err.push(line) } };
}

test("key create prints a token once and the line for the configuration that takes it", () => {
  const { out, err, io } = lines();
  assert.equal(runKeyCreate({ tenant: "acme", role: "ingest" }, io), 0);
  assert.deepEqual(err, []);
  const token = /^token, shown this once: (acme\.k[0-9a-f]{8}\.[A-Za-z0-9_-]{43})$/.exec(out[0]!)![1]!;
  const line = /^for "keys" of tenant acme: (.*)$/.exec(out[1]!)![1]!;
  const result = parseConfig({ tenants: [{ id: "acme", keys: [JSON.parse(line)] }] }, "x");
  assert.ok("config" in result);
  assert.equal(new KeyRing(result.config).authenticate(`Bearer ${token}`)?.role, "ingest");
  assert.equal(line.includes(token.split(".")[2]!), false);
});

test("key create refuses what no configuration would take", () => {
  const { out, err, io } = lines();
  assert.equal(runKeyCreate({ tenant: "a.b", role: "root", id: "" }, io), 1);
  assert.deepEqual(out, []);
  assert.deepEqual(err, [
    '--tenant: found "a.b"; allowed: 1–64 of A-Z a-z 0-9 _ -.',
    '--role: found "root"; allowed: ingest, read, admin.',
    '--id: found ""; allowed: 1–64 of A-Z a-z 0-9 _ -.',
  ]);
});
