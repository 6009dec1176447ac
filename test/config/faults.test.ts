import assert from "node:assert/strict";
import { test } from "node:test";
import { nearest } from "../../engine/config/fault.js";
import { parseConfigText } from "../../engine/config/load.js";
import { blame, DURATION, type Json, LATER } from "./blame.js";

const TOP = "listen, dataDir, shards, ack, journal, store, redis, rabbitmq, tenants";

const cases: [string, Json, string[]][] = [
  ["an unknown name", { lissten: {} }, [`lissten: found the unknown name "lissten"; allowed: ${TOP}. Did you mean "listen"?`]],
  ["an unknown name like none", { zzz: 1 }, [`zzz: found the unknown name "zzz"; allowed: ${TOP}. Remove it.`]],
  [
    "a port too large",
    { listen: { port: 70_000 } },
    ["listen.port: found 70000; allowed: a whole number from 0 to 65535. Choose a free port; 0 takes any."],
  ],
  [
    "a port as text",
    { listen: { port: "80" } },
    ['listen.port: found "80"; allowed: a whole number from 0 to 65535. Choose a free port; 0 takes any.'],
  ],
  [
    "an empty host",
    { listen: { host: "" } },
    [
      'listen.host: found ""; allowed: a host name or an address. Use "127.0.0.1" for this machine only, "0.0.0.0" for all networks.',
    ],
  ],
  ["TLS", { listen: { tls: { cert: "x" } } }, [`listen.tls: found an object; allowed: null: TLS is ${LATER}`]],
  ["no object", { listen: 8080 }, ["listen: found 8080; allowed: an object. Put an object there."]],
  ["an empty path", { dataDir: "" }, ['dataDir: found ""; allowed: a path. The default is "./data".']],
  [
    "no shards",
    { shards: 0 },
    ['shards: found 0; allowed: "auto", or a whole number from 1 to 64. "auto" leaves a core to the store.'],
  ],
  [
    "too many shards",
    { shards: 65 },
    ['shards: found 65; allowed: "auto", or a whole number from 1 to 64. "auto" leaves a core to the store.'],
  ],
  [
    "an ack that needs a broker",
    { ack: "queued" },
    [
      'ack: found "queued"; allowed: "durable", "stored" ("queued" needs a broker, which is not available in this version). durable: acked once on this node\'s disk; stored: once committed by the store.',
    ],
  ],
  [
    "a misspelt ack",
    { ack: "durabel" },
    [
      'ack: found "durabel"; allowed: "durable", "stored" ("queued" needs a broker, which is not available in this version). Did you mean "durable"? durable: acked once on this node\'s disk; stored: once committed by the store.',
    ],
  ],
  [
    "a size without sense",
    { journal: { maxBytes: "10 gigs" } },
    [
      'journal.maxBytes: found "10 gigs"; allowed: bytes with a unit, such as "10GiB", "512MiB", "2GB", at least 1MiB. Give what the disk can spare while the store is away.',
    ],
  ],
  [
    "a size too small",
    { journal: { maxBytes: "1KiB" } },
    [
      'journal.maxBytes: found "1KiB"; allowed: bytes with a unit, such as "10GiB", "512MiB", "2GB", at least 1MiB. Give what the disk can spare while the store is away.',
    ],
  ],
  [
    "a duration without unit",
    { journal: { keep: "15" } },
    [`journal.keep: found "15"; allowed: ${DURATION}, at most 366d. The default is "15m".`],
  ],
  [
    "another store",
    { store: { type: "mysql" } },
    ['store.type: found "mysql"; allowed: "duckdb", "questdb". Choose one of the two.'],
  ],
  ["a store without type", { store: {} }, ['store.type: found nothing; allowed: "duckdb", "questdb". Choose one of the two.']],
  ["a store that is none", { store: "questdb" }, ['store: found "questdb"; allowed: an object. Put an object there.']],
  [
    "a setting of the other store",
    { store: { type: "duckdb", http: "http://127.0.0.1:9000" } },
    ['store.http: found the unknown name "http"; allowed: type. Remove it.'],
  ],
  [
    "a store's address that is no URL of HTTP",
    { store: { type: "questdb", http: "tcp://127.0.0.1:9009" } },
    [
      'store.http: found "tcp://127.0.0.1:9009"; allowed: an http or https URL. Give the address of its HTTP server, such as "http://127.0.0.1:9000".',
    ],
  ],
  [
    "a password without a name",
    { store: { type: "questdb", password: "hush" } },
    ["store.username: found nothing; allowed: username and password together, or neither. Give both."],
  ],
  [
    "an empty password",
    { store: { type: "questdb", username: "u", password: "" } },
    ["store.password: found a string of 0 characters; allowed: a string, or null. Leave it out where the server asks for none."],
  ],
  [
    "a Redis address without scheme",
    { redis: "127.0.0.1:6379" },
    [
      'redis: found "127.0.0.1:6379"; allowed: null, or a redis or rediss URL such as "redis://127.0.0.1:6379". Put the URL right, or use null.',
    ],
  ],
  [
    "a Redis object with a wrong address",
    { redis: { url: 1, port: 2 } },
    [
      'redis.url: found 1; allowed: null, or a redis or rediss URL such as "redis://127.0.0.1:6379". Put the URL right, or use null.',
      'redis.port: found the unknown name "port"; allowed: url. Remove it.',
    ],
  ],
  ["a broker", { rabbitmq: { url: "amqp://localhost" } }, [`rabbitmq: found an object; allowed: null: a broker is ${LATER}`]],
  ["no tenants", { tenants: undefined }, ["tenants: found nothing; allowed: an array. Add it."]],
  [
    "not one tenant",
    { tenants: [] },
    ["tenants: found an empty array; allowed: at least one tenant. Add one: without it nobody may send."],
  ],
];

for (const [name, settings, expected] of cases) {
  test(`a configuration with ${name} is refused in these words`, () => {
    assert.deepEqual(blame(settings), expected);
  });
}

test("every fault is found at once", () => {
  assert.equal(
    blame({ ack: "x", shards: "x", tenants: [{ id: "a b", timezone: "x", shards: 0, meters: [{ decimals: 10 }, { step: -1 }] }] })
      .length,
    9,
  );
});

test("a file that is no object is refused by its name", () => {
  const result = parseConfigText("[]", "meters.json");
  assert.deepEqual(result, {
    faults: [
      { path: "", found: "an empty array in meters.json", allowed: "one JSON object", remedy: "Put the settings in { }." },
    ],
  });
});

test("a name given twice is reported beside the other faults", () => {
  const result = parseConfigText('{"ack":"durable","ack":"x","tenants":[{"id":"a"}]}', "x.json");
  assert.ok("faults" in result);
  assert.deepEqual(
    result.faults.map(({ path }) => path),
    ["ack", "ack"],
  );
});

test("the nearest known name is near", () => {
  assert.equal(nearest("timezon", ["timezone", "tenants"]), "timezone");
  assert.equal(nearest("MaxGap", ["maxGap"]), "maxGap");
  assert.equal(nearest("colour", ["timezone", "tenants"]), null);
});
