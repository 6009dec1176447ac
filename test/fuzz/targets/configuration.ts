import assert from "node:assert/strict";
import { KeyRing } from "../../../engine/config/keys.js";
import { parseConfigText } from "../../../engine/config/load.js";
import { tenantPlans } from "../../../engine/config/tenants.js";
import { mutateJson } from "../mutate-json.js";
import { bytesOf, type Target, textIn } from "../target.js";

const rules = [
  { id: "r1", meters: "main-*", on: "rate", op: ">", threshold: 40, clear: 30, for: "10m", severity: "critical" },
  { id: "r2", meters: "*", on: "nodata", for: "1h", schedule: { days: [1, 2, 7], from: "22:00", to: "06:00" } },
  { id: "r3", meters: "*", on: "value", op: ">", levels: [{ severity: "info", threshold: 1 }] },
];
const meters = [
  { match: "temp-*", kind: "gauge", unit: "°C" },
  { match: "a-*", step: 0.1, modulus: 100000, maxRate: 40, multiplier: 2.5, from: "2026-01-01T00:00:00Z" },
  { match: "i-*", kind: "interval", interval: "15m", label: "start", periods: ["quarter", "hour", "day"], maxGap: "3h" },
  { match: "*", kind: "counter", unit: "kWh", decimals: 3, expect: "15m" },
];
const keys = [{ id: "k1", sha256: "ab".repeat(32), role: "ingest" }];
const webhooks = [{ url: "https://example.org/hook", secret: "0123456789abcdef0123456789abcdef" }];
const limits = { readingsPerSecond: 100, connections: 1000, dataloggers: 10, meters: 1000 };
const tenant = { id: "acme", timezone: "Europe/Madrid", keys, shards: 1, weight: 1, limits, meters, rules, webhooks };
const whole = {
  ...{ listen: { host: "127.0.0.1", port: 8080, tls: null }, dataDir: "./data", shards: "auto", ack: "durable" },
  ...{ journal: { maxBytes: "10GiB", keep: "15m" }, store: { type: "duckdb" }, redis: null, rabbitmq: null, tenants: [tenant] },
};
const small = { store: { type: "questdb", http: "http://127.0.0.1:9000", username: null, password: null }, tenants: [] };

function isJson(text: string): boolean {
  try {
    JSON.parse(text.replace(/^\ufeff/, ""));
    return true;
  } catch {
    return false;
  }
}

function run(input: Uint8Array): void {
  const text = textIn(input);
  const result = parseConfigText(text, "meterstorm.json");
  if ("faults" in result) {
    assert.ok(result.faults.length > 0, "neither a configuration nor a fault");
    for (const { path, found, allowed, remedy } of result.faults) {
      assert.equal(typeof path, "string");
      for (const words of [found, allowed, remedy])
        assert.ok(words.length > 0 && words.length < 2_000, `"${words.slice(0, 99)}"`);
    }
    return;
  }
  assert.ok(isJson(text), "taken, though it is no JSON");
  const again = parseConfigText(text, "meterstorm.json");
  assert.deepEqual(again, result, "read twice it says two things");
  assert.equal(tenantPlans(result.config).length, result.config.tenants.length);
  assert.equal(new KeyRing(result.config).authenticate("Bearer a.b.c"), null);
}

export function open(): Target {
  const seeds = [whole, small].map((config) => bytesOf(JSON.stringify(config)));
  return { name: "configuration", seeds, mutate: mutateJson, run };
}
