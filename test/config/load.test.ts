import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { runCheck } from "../../engine/commands/check.js";
import { KeyRing } from "../../engine/config/keys.js";
import { loadConfig, parseConfig } from "../../engine/config/load.js";
import { tenantPlans } from "../../engine/config/tenants.js";

const SHA = "ab".repeat(32);

function folder(context: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "meterstorm-config-"));
  context.after(() => rmSync(path, { recursive: true }));
  return path;
}

function lines() {
  const out: string[] = [];
  const err: string[] = [];
  return { out, err, io: { out: (line: string) => out.push(line), err: (line: string) => err.push(line) } };
}

const full = {
  listen: { host: "0.0.0.0", port: 0, tls: null },
  dataDir: "/var/lib/meterstorm",
  shards: 3,
  ack: "stored",
  journal: { maxBytes: "512MiB", keep: "1h30m" },
  store: { type: "questdb", http: "https://quest.example:9000/", username: "u", password: "p" },
  redis: { url: "redis://127.0.0.1:6379" },
  rabbitmq: null,
  tenants: [
    {
      id: "acme",
      timezone: "Europe/Madrid",
      keys: [{ id: "k1", sha256: SHA.toUpperCase(), role: "ingest" }],
      shards: 2,
      weight: 0.5,
      limits: { readingsPerSecond: 1000, connections: 2, dataloggers: 3, meters: 4 },
      meters: [
        { match: "temp-*", kind: "gauge", unit: "°C", decimals: 1, expect: "3h" },
        {
          match: "grid-*",
          kind: "interval",
          interval: "1d",
          label: "start",
          timezone: "UTC",
          maxGap: "15m",
          net: true,
          periods: ["day", "quarter"],
        },
        { match: "*", unit: "kWh", decimals: 1, step: 0.5, multiplier: 40, modulus: 100_000, maxRate: 43.5 },
      ],
      rules: [
        {
          id: "night-load",
          meters: "main-*",
          on: "rate",
          op: ">",
          threshold: 40,
          clear: 30,
          for: "10m",
          keepFiring: "5m",
          schedule: { days: [5, 1], from: "22:00", to: "06:00" },
          severity: "critical",
        },
        { id: "idle", on: "day", op: "<=", threshold: 0, schedule: {}, levels: [] },
        {
          id: "load",
          meters: "main-*",
          on: "rate",
          op: "<",
          clear: 50,
          levels: [
            { severity: "info", threshold: 40 },
            { severity: "critical", threshold: 20 },
          ],
        },
        { id: "exchanged", meters: "main-*", on: "flag", flag: "EXCHANGE", keepFiring: "1d", severity: "info" },
        { id: "silent", on: "nodata", for: "30m" },
      ],
      webhooks: [
        { url: "https://example.org/hook/", secret: "correct horse" },
        { url: "http://10.0.0.7:9/", secret: "battery staple", allowPrivate: true, perMinute: 5 },
      ],
    },
  ],
};

test("every setting arrives as it was meant", () => {
  const result = parseConfig(full, "full.json");
  assert.ok("config" in result);
  const { tenants, ...node } = result.config;
  assert.deepEqual(node, {
    listen: { host: "0.0.0.0", port: 0, tls: null },
    dataDir: "/var/lib/meterstorm",
    shards: 3,
    ack: "stored",
    journal: { maxBytes: 512 * 2 ** 20, keepMs: 5_400_000 },
    store: { type: "questdb", http: "https://quest.example:9000", username: "u", password: "p" },
    redis: { url: "redis://127.0.0.1:6379" },
    rabbitmq: null,
  });
  assert.deepEqual(tenants[0]!.limits, { readingsPerSecond: 1000, connections: 2, dataloggers: 3, meters: 4 });
  assert.deepEqual(tenants[0]!.webhooks, [
    { url: "https://example.org/hook/", secret: "correct horse", allowPrivate: false, perMinute: 60 },
    { url: "http://10.0.0.7:9/", secret: "battery staple", allowPrivate: true, perMinute: 5 },
  ]);
  assert.deepEqual(tenants[0]!.keys, [{ id: "k1", sha256: SHA, role: "ingest" }]);
  assert.deepEqual(tenantPlans(result.config), [
    {
      id: "acme",
      timezone: "Europe/Madrid",
      maxMeters: 4,
      maxDataloggers: 3,
      meters: [
        {
          match: "temp-*",
          settings: {
            kind: "gauge",
            unit: "°C",
            decimals: 1,
            step: 0.1,
            multiplier: 1,
            timezone: "Europe/Madrid",
            modulus: null,
            maxRate: null,
            net: false,
            expectMs: 10_800_000,
            maxGapMs: 21_600_000,
            interval: 3_600_000,
            label: "end",
            periods: ["hour", "day"],
          },
        },
        {
          match: "grid-*",
          settings: {
            kind: "interval",
            unit: "",
            decimals: 3,
            step: 0.001,
            multiplier: 1,
            timezone: "UTC",
            modulus: null,
            maxRate: null,
            net: true,
            expectMs: null,
            maxGapMs: 900_000,
            interval: "1d",
            label: "start",
            periods: ["quarter", "day"],
          },
        },
        {
          match: "*",
          settings: {
            kind: "counter",
            unit: "kWh",
            decimals: 1,
            step: 0.5,
            multiplier: 40,
            timezone: "Europe/Madrid",
            modulus: 100_000,
            maxRate: 43.5,
            net: false,
            expectMs: null,
            maxGapMs: 7_200_000,
            interval: 3_600_000,
            label: "end",
            periods: ["hour", "day"],
          },
        },
      ],
      rules: [
        {
          id: "night-load",
          meters: "main-*",
          on: "rate",
          op: ">",
          threshold: 40,
          clear: 30,
          forMs: 600_000,
          keepFiringMs: 300_000,
          schedule: { days: [1, 5], fromMinute: 1320, toMinute: 360 },
          severity: "critical",
          levels: [],
          flag: null,
        },
        {
          id: "idle",
          meters: "*",
          on: "day",
          op: "<=",
          threshold: 0,
          clear: null,
          forMs: 0,
          keepFiringMs: 0,
          schedule: { days: [1, 2, 3, 4, 5, 6, 7], fromMinute: 0, toMinute: 1440 },
          severity: "warning",
          levels: [],
          flag: null,
        },
        {
          id: "load",
          meters: "main-*",
          on: "rate",
          op: "<",
          threshold: 40,
          clear: 50,
          forMs: 0,
          keepFiringMs: 0,
          schedule: null,
          severity: "info",
          levels: [
            { severity: "info", threshold: 40 },
            { severity: "critical", threshold: 20 },
          ],
          flag: null,
        },
        {
          id: "exchanged",
          meters: "main-*",
          on: "flag",
          op: ">",
          threshold: null,
          clear: null,
          forMs: 0,
          keepFiringMs: 86_400_000,
          schedule: null,
          severity: "info",
          levels: [],
          flag: "EXCHANGE",
        },
        {
          id: "silent",
          meters: "*",
          on: "nodata",
          op: ">",
          threshold: null,
          clear: null,
          forMs: 1_800_000,
          keepFiringMs: 0,
          schedule: null,
          severity: "warning",
          levels: [],
          flag: null,
        },
      ],
    },
  ]);
});

test("what is left out has the documented default", () => {
  const result = parseConfig({ tenants: [{ id: "a" }] }, "small.json");
  assert.ok("config" in result);
  assert.deepEqual(result.config, {
    listen: { host: "127.0.0.1", port: 8080, tls: null },
    dataDir: "./data",
    shards: "auto",
    ack: "durable",
    journal: { maxBytes: 10 * 2 ** 30, keepMs: 900_000 },
    store: { type: "duckdb" },
    redis: null,
    rabbitmq: null,
    tenants: [
      {
        id: "a",
        timezone: "UTC",
        keys: [],
        shards: 1,
        weight: 1,
        limits: { readingsPerSecond: null, connections: 1000, dataloggers: 100_000, meters: 1_000_000 },
        meters: [],
        rules: [],
        webhooks: [],
      },
    ],
  });
});

test("the smallest step of nine decimals is the number as written", () => {
  const result = parseConfig(
    { tenants: [{ id: "a", meters: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((decimals) => ({ match: `d${decimals}`, decimals })) }] },
    "x",
  );
  assert.ok("config" in result);
  const steps = tenantPlans(result.config)[0]!.meters.map((entry) => entry.settings.step);
  assert.deepEqual(steps, [1, 0.1, 0.01, 0.001, 0.0001, 0.00001, 0.000001, 1e-7, 1e-8, 1e-9]);
});

test("Redis by its URL alone", () => {
  const result = parseConfig({ redis: "rediss://u:p@cache:6380/2", tenants: [{ id: "a" }] }, "x");
  assert.ok("config" in result);
  assert.deepEqual(result.config.redis, { url: "rediss://u:p@cache:6380/2" });
});

test("a faulty file is refused with each of its faults on a line", (context) => {
  const path = join(folder(context), "meterstorm.json");
  writeFileSync(path, JSON.stringify({ ack: "never", tenants: [] }));
  assert.throws(
    () => loadConfig(path),
    (error: Error & { code?: string }) => {
      assert.equal(error.code, "config_invalid");
      assert.equal(error.message.split("\n").length, 3);
      assert.match(
        error.message,
        /^.*meterstorm\.json is not a valid configuration:\nack: found "never"; .*\ntenants: found an empty array; /,
      );
      return true;
    },
  );
  assert.throws(() => loadConfig(join(path, "none")), { code: "config_unreadable" });
});

test("a valid file is loaded", (context) => {
  const path = join(folder(context), "meterstorm.json");
  writeFileSync(path, JSON.stringify(full));
  assert.equal(loadConfig(path).tenants[0]!.id, "acme");
});

test("without a file one tenant has a key, shown once and kept as its hash", (context) => {
  const dataDir = join(folder(context), "data");
  const tokens: string[] = [];
  const announce = (token: string) => tokens.push(token);
  const first = loadConfig(null, { dataDir, announce });
  assert.equal(tokens.length, 1);
  assert.deepEqual(new KeyRing(first).authenticate(`Bearer ${tokens[0]}`), { tenant: "demo", role: "admin", keyId: "demo" });
  assert.deepEqual(first.store, { type: "duckdb" });
  assert.equal(first.dataDir, dataDir);

  const kept = readFileSync(join(dataDir, "demo-key.json"), "utf8");
  const secret = tokens[0]!.split(".")[2]!;
  assert.deepEqual(JSON.parse(kept), { sha256: createHash("sha256").update(secret).digest("hex") });
  assert.equal(statSync(join(dataDir, "demo-key.json")).mode & 0o077, 0);

  assert.deepEqual(loadConfig(null, { dataDir, announce }), first);
  assert.equal(tokens.length, 1);
  writeFileSync(join(dataDir, "demo-key.json"), "{}");
  assert.throws(() => loadConfig(null, { dataDir, announce }), { code: "demo_key" });
});

test("check prints faults and warnings and says by its code which it was", async (context) => {
  const path = join(folder(context), "c.json");
  writeFileSync(
    path,
    JSON.stringify({
      shards: 1,
      tenants: [{ id: "a", shards: 2, meters: [{ match: "*" }, { match: "x", kind: "gauge", modulus: 5 }] }],
    }),
  );
  const good = lines();
  assert.equal(await runCheck(path, good.io), 0);
  assert.deepEqual(good.err, []);
  assert.deepEqual(good.out, [
    "warning: tenants[0].keys: no key: nobody can send or read; make one with `meterstorm key create`",
    "warning: tenants[0].shards: 2 shards asked for, the node has 1",
    "warning: tenants[0].meters[0]: a counter without maxRate: billing needs it, since resets and exchanges cannot be told from use without it",
    "warning: tenants[0].meters[1]: never reached: meters[0] matches every meter",
    "warning: tenants[0].meters[1]: modulus has no effect on kind gauge",
    `${path}: valid, 1 tenant, 5 warnings`,
  ]);

  writeFileSync(path, '{"tenants":[{"id":"a"}],\n"ack":}');
  const bad = lines();
  assert.equal(await runCheck(path, bad.io), 1);
  assert.deepEqual(bad.out, []);
  assert.deepEqual(bad.err, [
    'the file: found "}" at line 2, column 7; allowed: JSON: a value is expected there. Correct it there: JSON has no comments and no trailing commas.',
    `${path}: 1 fault`,
  ]);

  const absent = lines();
  assert.equal(await runCheck(join(path, "none"), absent.io), 1);
  assert.match(absent.err[0]!, /^cannot read the configuration /);
});
