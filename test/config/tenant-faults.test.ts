import assert from "node:assert/strict";
import { test } from "node:test";
import { blame, DURATION, type Json } from "./blame.js";

const SHA = "ab".repeat(32);
const tenant = (fields: Json) => ({ tenants: [{ id: "acme", ...fields }] });
const meter = (fields: Json) => tenant({ meters: [{ match: "*", ...fields }] });
const rule = (fields: Json) => tenant({ rules: [{ id: "r", meters: "*", on: "value", op: ">", threshold: 1, ...fields }] });
const KEY = { id: "k1", sha256: SHA, role: "read" };
const key = (fields: Json) => tenant({ keys: [{ ...KEY, ...fields }] });

const INSTANT =
  'allowed: an instant such as "2026-01-01T00:00:00+01:00" (RFC 3339 with an offset), or epoch milliseconds, from 2000 to 2099. It is when these settings come into force; left out: since ever.';

const WEBHOOK_URL =
  'allowed: an http or https URL without user, password and fragment, at most 2048 characters. Give the address that takes the POST, such as "https://example.org/hook".';
const RULE_ON =
  'allowed: "value", "delta", "rate", "quarter", "hour", "day", "flag", "nodata". rate is per hour; quarter, hour and day are the period\'s energy; flag is a reading\'s flag; nodata that no reading comes.';

const cases: [string, Json, string[]][] = [
  ["a tenant that is none", { tenants: [7] }, ["tenants[0]: found 7; allowed: an object. Put an object there."]],
  [
    "a tenant's id with a dot",
    tenant({ id: "a.b" }),
    ['tenants[0].id: found "a.b"; allowed: 1–64 of A-Z a-z 0-9 _ -. The id is the first part of a token.'],
  ],
  [
    "a tenant's id too long",
    tenant({ id: "a".repeat(65) }),
    [`tenants[0].id: found "${"a".repeat(56)}…"; allowed: 1–64 of A-Z a-z 0-9 _ -. The id is the first part of a token.`],
  ],
  [
    "two tenants with one id",
    { tenants: [{ id: "a" }, { id: "b" }, { id: "a" }] },
    [
      'tenants[2].id: found "a", the id of tenants[0] too; allowed: an id that no other tenant has. Rename or remove one of the two.',
    ],
  ],
  [
    "a misspelt zone",
    tenant({ timezone: "Europe/Madird" }),
    [
      'tenants[0].timezone: found "Europe/Madird"; allowed: an IANA time zone that this runtime knows. Did you mean "Europe/Madrid"? Name one as "Area/City", or "UTC".',
    ],
  ],
  [
    "an offset for a zone",
    tenant({ timezone: "+01:00" }),
    [
      'tenants[0].timezone: found "+01:00"; allowed: an IANA time zone that this runtime knows. Name one as "Area/City", or "UTC".',
    ],
  ],
  [
    "a secret where its hash belongs is not shown",
    key({ sha256: "hunter2" }),
    [
      "tenants[0].keys[0].sha256: found a string of 7 characters; allowed: the SHA-256 of a secret as 64 hexadecimal digits. Make a key with `meterstorm key create`: it prints this line. The secret itself does not belong here.",
    ],
  ],
  [
    "an unknown role",
    key({ role: "ingets" }),
    [
      'tenants[0].keys[0].role: found "ingets"; allowed: "ingest", "read", "admin". Did you mean "ingest"? ingest sends readings, read queries, admin does both.',
    ],
  ],
  [
    "two keys with one id",
    tenant({ keys: [KEY, KEY] }),
    [
      'tenants[0].keys[1].id: found "k1", the id of tenants[0].keys[0] too; allowed: an id that no other key of a tenant has. Rename or remove one of the two.',
    ],
  ],
  [
    "a client's shards",
    tenant({ shards: 1.5 }),
    ["tenants[0].shards: found 1.5; allowed: a whole number from 1 to 64. Above 1 spreads one large client by datalogger."],
  ],
  [
    "no weight",
    tenant({ weight: 0 }),
    ["tenants[0].weight: found 0; allowed: a number above 0, at most 1000. It is the share under contention; 1 is usual."],
  ],
  [
    "limits",
    tenant({ limits: { readingsPerSecond: 0, connections: 0, dataloggers: "many", meters: null, queries: 1 } }),
    [
      "tenants[0].limits.readingsPerSecond: found 0; allowed: a number above 0, at most 1000000000. null sets no limit.",
      "tenants[0].limits.connections: found 0; allowed: a whole number from 1 to 1000000. The default is 1000.",
      'tenants[0].limits.dataloggers: found "many"; allowed: a whole number from 1 to 10000000. The default is 100000.',
      "tenants[0].limits.meters: found null; allowed: a whole number from 1 to 100000000. The default is 1000000.",
      'tenants[0].limits.queries: found the unknown name "queries"; allowed: readingsPerSecond, connections, dataloggers, meters. Remove it.',
    ],
  ],
  [
    "webhooks to nowhere and with secrets that are none, which are not shown",
    tenant({
      webhooks: [
        { url: "ftp://example.org", secret: "short" },
        { url: "https://user:password@example.org/", secret: SHA, allowPrivate: 1 },
        { secret: SHA, perMinute: 0, retries: 3 },
      ],
    }),
    [
      `tenants[0].webhooks[0].url: found "ftp://example.org"; ${WEBHOOK_URL}`,
      "tenants[0].webhooks[0].secret: found a string of 5 characters; allowed: a string of 8 to 256 characters. It signs what is sent; give the receiver the same one.",
      `tenants[0].webhooks[1].url: found "https://user:password@example.org/"; ${WEBHOOK_URL}`,
      "tenants[0].webhooks[1].allowPrivate: found 1; allowed: true or false. true lets the address be one of this machine's or of a private network.",
      `tenants[0].webhooks[2].url: found nothing; ${WEBHOOK_URL}`,
      "tenants[0].webhooks[2].perMinute: found 0; allowed: a whole number from 1 to 6000. Transitions of one rule a minute; of more, only the newest of each incident is sent. The default is 60.",
      'tenants[0].webhooks[2].retries: found the unknown name "retries"; allowed: url, secret, allowPrivate, perMinute. Remove it.',
    ],
  ],
  [
    "two webhooks to one address",
    tenant({
      webhooks: [
        { url: "https://example.org/a", secret: SHA },
        { url: "https://example.org/a", secret: SHA },
      ],
    }),
    [
      'tenants[0].webhooks[1].url: found "https://example.org/a"; allowed: an address that no other webhook has: webhooks[0] has it too. Remove one of the two.',
    ],
  ],
  [
    "more webhooks than a client may have",
    tenant({ webhooks: Array.from({ length: 17 }, (_, i) => ({ url: `https://example.org/${i}`, secret: SHA })) }),
    ["tenants[0].webhooks: found an array of 17; allowed: at most 16 webhooks. Send to one that passes it on."],
  ],
  [
    "an entry of meters that matches nothing",
    meter({ match: "" }),
    [
      'tenants[0].meters[0].match: found ""; allowed: a pattern for meters\' ids, 1–256 characters (* any run of characters, ? one). "*" matches every meter.',
    ],
  ],
  [
    "an unknown kind",
    meter({ kind: "guage" }),
    [
      'tenants[0].meters[0].kind: found "guage"; allowed: "counter", "interval", "power", "gauge". Did you mean "gauge"? counter is a register that adds up.',
    ],
  ],
  [
    "decimals",
    meter({ decimals: 12 }),
    [
      "tenants[0].meters[0].decimals: found 12; allowed: a whole number from 0 to 9. It is the number of decimals that the meter's number carries.",
    ],
  ],
  [
    "a step finer than the resolution",
    meter({ decimals: 1, step: 0.25 }),
    [
      "tenants[0].meters[0].step: found 0.25; allowed: a whole multiple of the resolution, 0.1 at 1 decimals. Raise `decimals`, or round `step`.",
    ],
  ],
  [
    "a modulus finer than the resolution",
    meter({ decimals: 0, modulus: 99_999.9 }),
    [
      "tenants[0].meters[0].modulus: found 99999.9; allowed: a whole multiple of the resolution, 1 at 0 decimals. Raise `decimals`, or round `modulus`.",
    ],
  ],
  [
    "a modulus of one step",
    meter({ step: 0.5, modulus: 0.5 }),
    ["tenants[0].meters[0].modulus: found 0.5; allowed: more than one step. Give the value at which the register shows 0."],
  ],
  [
    "a multiplier of 0",
    meter({ multiplier: 0 }),
    [
      "tenants[0].meters[0].multiplier: found 0; allowed: a number above 0, at most 1000000000. It turns register units into real ones.",
    ],
  ],
  [
    "a multiplier too fine",
    meter({ multiplier: 1e-10 }),
    ["tenants[0].meters[0].multiplier: found 1e-10; allowed: at most 9 decimals. Round it."],
  ],
  [
    "a maxRate of 0",
    meter({ maxRate: 0 }),
    [
      "tenants[0].meters[0].maxRate: found 0; allowed: a number above 0, at most 1000000000000000. It is what the fuse or the pipe allows, in register units per hour.",
    ],
  ],
  [
    "net as text",
    meter({ net: "yes" }),
    ['tenants[0].meters[0].net: found "yes"; allowed: true or false. true for a register that may run either way.'],
  ],
  [
    "a maxGap as a number",
    meter({ maxGap: 7200 }),
    [
      `tenants[0].meters[0].maxGap: found 7200; allowed: ${DURATION}, from 1s to 366d. It is the longest stretch that counts as covered.`,
    ],
  ],
  [
    "an interval of nothing",
    meter({ kind: "interval", interval: "0s" }),
    [
      'tenants[0].meters[0].interval: found "0s"; allowed: a duration from 1s to 92d, such as "15m", or "1d" (wall clock). Give the time that one reading covers.',
    ],
  ],
  [
    "a label in the middle",
    meter({ label: "middle" }),
    [
      'tenants[0].meters[0].label: found "middle"; allowed: "end", "start". It says which end of its interval a reading\'s ts is.',
    ],
  ],
  [
    "periods",
    meter({ periods: ["hour", "month"] }),
    [
      'tenants[0].meters[0].periods: found an array of 2; allowed: some of "quarter", "hour", "day", each once. The default is ["hour", "day"].',
    ],
  ],
  [
    "settings from a day on, without its time and offset",
    meter({ from: "2026-01-01" }),
    [`tenants[0].meters[0].from: found "2026-01-01"; ${INSTANT}`],
  ],
  [
    "settings from a local time on",
    meter({ from: "2026-01-01T00:00:00" }),
    [`tenants[0].meters[0].from: found "2026-01-01T00:00:00"; ${INSTANT}`],
  ],
  [
    "settings from a date on that there is not",
    meter({ from: "2026-02-30T00:00:00Z" }),
    [`tenants[0].meters[0].from: found "2026-02-30T00:00:00Z"; ${INSTANT}`],
  ],
  ["settings since 1970", meter({ from: 0 }), [`tenants[0].meters[0].from: found 0; ${INSTANT}`]],
  [
    "a rule on a flag that no reading has, with what means nothing there",
    tenant({ rules: [{ id: "r", on: "flag", flag: "PARTIAL", threshold: 1, clear: 0, levels: [] }] }),
    [
      'tenants[0].rules[0].flag: found "PARTIAL"; allowed: "FIRST", "BACKWARD", "ROLLOVER", "RESET", "EXCHANGE", "SPIKE", "QUESTIONABLE", "CONFLICT", "UNDISTRIBUTED". It is a flag of readings.',
      ...["threshold", "clear", "levels"].map(
        (name) =>
          `tenants[0].rules[0].${name}: found the unknown name "${name}"; allowed: id, meters, on, flag, for, keepFiring, schedule, severity. Remove it.`,
      ),
    ],
  ],
  [
    "a rule on missing data with what means nothing there",
    tenant({ rules: [{ id: "r", on: "nodata", for: "1h", clear: 0, keepFiring: "1h" }] }),
    [
      ...["clear", "keepFiring"].map(
        (name) =>
          `tenants[0].rules[0].${name}: found the unknown name "${name}"; allowed: id, meters, on, for, schedule, severity. Remove it.`,
      ),
    ],
  ],
  [
    "a rule on missing data that nothing tells when a reading is due",
    tenant({
      meters: [{ match: "temp-*", expect: "1h" }, { match: "main-1" }],
      rules: [{ id: "r", on: "nodata", meters: "main-*" }],
    }),
    [
      'tenants[0].rules[0].for: found nothing; allowed: how long no reading may come, since no entry of meters that the rule matches says so by `expect`. Add "for", or "expect" to the meters.',
    ],
  ],
  [
    "a rule without anything",
    tenant({ rules: [{}] }),
    [
      "tenants[0].rules[0].id: found nothing; allowed: 1–128 characters without control characters. The id names the rule in the table of alerts.",
      `tenants[0].rules[0].on: found nothing; ${RULE_ON}`,
      'tenants[0].rules[0].op: found nothing; allowed: ">", ">=", "<", "<=". It stands between what is measured and the threshold.',
      "tenants[0].rules[0].threshold: found nothing; allowed: a finite number. It is in real units, after the multiplier.",
    ],
  ],
  [
    "a clear above the threshold",
    rule({ clear: 2 }),
    [
      'tenants[0].rules[0].clear: found 2; allowed: at most the threshold 1 for op ">". Between threshold and clear nothing changes; leave `clear` out for none.',
    ],
  ],
  [
    "a clear below the threshold",
    rule({ op: "<=", clear: 0 }),
    [
      'tenants[0].rules[0].clear: found 0; allowed: at least the threshold 1 for op "<=". Between threshold and clear nothing changes; leave `clear` out for none.',
    ],
  ],
  [
    "a rule's for",
    rule({ for: "soon" }),
    [`tenants[0].rules[0].for: found "soon"; allowed: ${DURATION}, at most 366d. "0s" fires at once.`],
  ],
  [
    "a rule's keepFiring",
    rule({ keepFiring: "2y" }),
    [`tenants[0].rules[0].keepFiring: found "2y"; allowed: ${DURATION}, at most 366d. "0s" resolves at once.`],
  ],
  [
    "a schedule's days",
    rule({ schedule: { days: [0, 1] } }),
    [
      "tenants[0].rules[0].schedule.days: found an array of 2; allowed: days of the week from 1 (Monday) to 7 (Sunday), each once. Leave it out for all days.",
    ],
  ],
  [
    "a schedule's times",
    rule({ schedule: { from: "24:00", to: "6:00" } }),
    [
      'tenants[0].rules[0].schedule.from: found "24:00"; allowed: a time of day from "00:00" to "23:59". Write it as "HH:MM".',
      'tenants[0].rules[0].schedule.to: found "6:00"; allowed: a time of day from "00:00" to "24:00". Write it as "HH:MM".',
    ],
  ],
  [
    "a severity",
    rule({ severity: "fatal" }),
    ['tenants[0].rules[0].severity: found "fatal"; allowed: "info", "warning", "critical". The default is "warning".'],
  ],
  [
    "levels that fall, or are no graver",
    tenant({
      rules: [
        {
          ...{ id: "r", on: "value", op: ">" },
          levels: [
            { severity: "warning", threshold: 5 },
            { severity: "critical", threshold: 5 },
            { severity: "info", threshold: 6 },
          ],
        },
      ],
    }),
    [
      'tenants[0].rules[0].levels[1].threshold: found 5; allowed: above the level before, 5, for op ">". List the levels in the order in which an incident climbs.',
      'tenants[0].rules[0].levels[2].severity: found "info"; allowed: graver than the level before, "critical" (info, warning, critical). List the levels in the order in which an incident climbs.',
    ],
  ],
  [
    "levels and what they carry besides",
    rule({ severity: "info", levels: [{ severity: "info", threshold: 1 }, { severity: "fatal" }] }),
    [
      "tenants[0].rules[0].threshold: found 1; allowed: nothing beside levels: they carry the threshold. Put the threshold into the first level, or remove `levels`.",
      'tenants[0].rules[0].severity: found "info"; allowed: nothing beside levels: they carry the severity. Put the severity into the first level, or remove `levels`.',
      'tenants[0].rules[0].levels[1].severity: found "fatal"; allowed: "info", "warning", "critical". It is what the incident has from this threshold on.',
      "tenants[0].rules[0].levels[1].threshold: found nothing; allowed: a finite number. It is in real units, after the multiplier.",
    ],
  ],
  [
    "a clear beyond the first of its levels",
    tenant({
      rules: [
        {
          ...{ id: "r", on: "value", op: "<", clear: 4 },
          levels: [
            { severity: "info", threshold: 5 },
            { severity: "critical", threshold: 2 },
          ],
        },
      ],
    }),
    [
      'tenants[0].rules[0].clear: found 4; allowed: at least the threshold 5 for op "<". Between threshold and clear nothing changes; leave `clear` out for none.',
    ],
  ],
  [
    "two rules with one id, one of which is faulty besides",
    tenant({
      rules: [
        { id: "r", on: "value", op: ">", threshold: 1 },
        { id: "r", on: "value", op: ">", threshold: "1" },
      ],
    }),
    [
      'tenants[0].rules[1].threshold: found "1"; allowed: a finite number. It is in real units, after the multiplier.',
      'tenants[0].rules[1].id: found "r", the id of tenants[0].rules[0] too; allowed: an id that no other rule of a tenant has. Rename or remove one of the two.',
    ],
  ],
];

for (const [name, settings, expected] of cases) {
  test(`a configuration with ${name} is refused in these words`, () => {
    assert.deepEqual(blame(settings), expected);
  });
}
