import { z } from "zod";
import { PERIODS } from "../base/entries.js";
import { limits } from "../base/limits.js";
import {
  choice,
  duration,
  field,
  flag,
  glob,
  instant,
  notYet,
  number,
  optional,
  positive,
  readUrl,
  record,
  size,
  text,
  within,
  zone,
} from "./fields.js";
import { checkMeter, checkNoData } from "./schema-between.js";
import { ruleSchema } from "./schema-rules.js";
import { webhooks } from "./schema-webhooks.js";

const DAY_MS = 86_400_000;
const SECOND_MS = 1000;
const MAX_SHARDS = 64;
/** What lies behind it is no plan but a slip. */
const LATEST_FROM_MS = Date.UTC(2100, 0, 1) - 1;
const ID = /^[A-Za-z0-9_-]{1,64}$/;
const ID_FORM = "1–64 of A-Z a-z 0-9 _ -";
export const ROLES = ["ingest", "read", "admin"] as const;
export type Role = (typeof ROLES)[number];

const host = text(
  "a host name or an address",
  'Use "127.0.0.1" for this machine only, "0.0.0.0" for all networks.',
  /^\S{1,255}$/,
);

const listen = record({
  host: host.default("127.0.0.1"),
  port: number(0, 65_535, "Choose a free port; 0 takes any.").default(8080),
  tls: notYet("TLS is", "null"),
});

const journal = record({
  maxBytes: size(limits.journalBlockBytes, "at least 1MiB", "Give what the disk can spare while the store is away.").default(
    10 * 2 ** 30,
  ),
  keep: duration(0, 366 * DAY_MS, "at most 366d", 'The default is "15m".').default(15 * 60_000),
}).transform(({ maxBytes, keep }) => ({ maxBytes, keepMs: keep }));

const duckdb = record({ type: choice(["duckdb"], "") });
const secret = field(
  { allowed: "a string, or null", remedy: "Leave it out where the server asks for none.", secret: true },
  (value) => (value === null || (typeof value === "string" && value !== "") ? value : undefined),
);
const questdb = record({
  type: choice(["questdb"], ""),
  http: field(
    { allowed: "an http or https URL", remedy: 'Give the address of its HTTP server, such as "http://127.0.0.1:9000".' },
    (value) => readUrl(value, ["http:", "https:"]),
  ).default("http://127.0.0.1:9000"),
  username: secret.default(null),
  password: secret.default(null),
}).superRefine((store, context) => {
  if ((store.username === null) === (store.password === null)) return;
  const missing = store.username === null ? "username" : "password";
  context.addIssue({
    code: "custom",
    path: [missing],
    params: { allowed: "username and password together, or neither", remedy: "Give both.", secret: true },
  });
});
const storeType = z.object({ type: choice(["duckdb", "questdb"], "Choose one of the two.") });
const stores = new Map<string, z.ZodType<StoreConfig>>([
  ["duckdb", duckdb],
  ["questdb", questdb],
]);

export type StoreConfig = z.output<typeof duckdb> | z.output<typeof questdb>;

/** Which names are known depends on the type, so the type is looked at first. */
const store = z.unknown().transform((value, context): StoreConfig => {
  const type = typeof value === "object" && value !== null ? (value as { type?: unknown }).type : undefined;
  const known = typeof type === "string" ? stores.get(type) : undefined;
  return within(known ?? (storeType as unknown as z.ZodType<StoreConfig>), value, context);
});

const redisUrl = field(
  { allowed: 'null, or a redis or rediss URL such as "redis://127.0.0.1:6379"', remedy: "Put the URL right, or use null." },
  (value) => readUrl(value, ["redis:", "rediss:"]),
);
const redisRecord = record({ url: redisUrl });
const redis = z.unknown().transform((value, context): { url: string } | null => {
  if (value === null) return null;
  if (typeof value === "object" && !Array.isArray(value)) return within(redisRecord, value, context);
  return { url: within(redisUrl, value, context) };
});

const key = record({
  id: text(ID_FORM, "The id is the second part of a token.", ID),
  sha256: field(
    {
      allowed: "the SHA-256 of a secret as 64 hexadecimal digits",
      remedy: "Make a key with `meterstorm key create`: it prints this line. The secret itself does not belong here.",
      secret: true,
    },
    (value) => (typeof value === "string" && /^[0-9a-fA-F]{64}$/.test(value) ? value.toLowerCase() : undefined),
  ),
  role: choice(ROLES, "ingest sends readings, read queries, admin does both."),
});

const unit = field({ allowed: "a string of at most 32 characters", remedy: 'Such as "kWh".' }, (value) =>
  typeof value === "string" && value.length <= 32 ? value : undefined,
);

const interval = field(
  { allowed: 'a duration from 1s to 92d, such as "15m", or "1d" (wall clock)', remedy: "Give the time that one reading covers." },
  (value): number | "1d" | undefined => {
    if (value === "1d") return "1d";
    const ms = duration(SECOND_MS, 92 * DAY_MS, "", "").safeParse(value);
    return ms.success ? ms.data : undefined;
  },
);

const periods = field(
  { allowed: `some of ${PERIODS.map((name) => `"${name}"`).join(", ")}, each once`, remedy: 'The default is ["hour", "day"].' },
  (value) => {
    if (!Array.isArray(value)) return undefined;
    const chosen = PERIODS.filter((name) => value.includes(name));
    return chosen.length === value.length ? chosen : undefined;
  },
);

const meter = record({
  match: glob,
  kind: choice(["counter", "interval", "power", "gauge"], "counter is a register that adds up.").default("counter"),
  unit: unit.default(""),
  decimals: number(0, 9, "It is the number of decimals that the meter's number carries.").default(3),
  step: optional(positive(1e9, "It is the smallest amount by which the register moves.")).default(null),
  multiplier: positive(1e9, "It turns register units into real ones.").default(1),
  timezone: optional(zone()).default(null),
  modulus: optional(positive(2 ** 53, "It is where the register rolls over to 0.")).default(null),
  maxRate: optional(positive(1e15, "It is what the fuse or the pipe allows, in register units per hour.")).default(null),
  net: flag("true for a register that may run either way.").default(false),
  expect: optional(duration(SECOND_MS, 366 * DAY_MS, "from 1s to 366d", "It is how often a reading is due.")).default(null),
  maxGap: optional(
    duration(SECOND_MS, 366 * DAY_MS, "from 1s to 366d", "It is the longest stretch that counts as covered."),
  ).default(null),
  interval: interval.default(3_600_000),
  label: choice(["end", "start"], "It says which end of its interval a reading's ts is.").default("end"),
  periods: periods.default(["hour", "day"]),
  from: optional(
    instant(
      limits.minTsMs,
      LATEST_FROM_MS,
      "from 2000 to 2099",
      "It is when these settings come into force; left out: since ever.",
    ),
  ).default(null),
}).superRefine(checkMeter);

export type MeterConfig = z.output<typeof meter>;

const count = (most: number, remedy: string) => number(1, most, remedy);

const tenantLimits = record({
  readingsPerSecond: optional(positive(1e9, "null sets no limit.")).default(null),
  connections: count(1e6, "The default is 1000.").default(1000),
  dataloggers: count(1e7, "The default is 100000.").default(100_000),
  meters: count(1e8, "The default is 1000000.").default(1_000_000),
});

const tenant = record({
  id: text(ID_FORM, "The id is the first part of a token.", ID),
  timezone: zone().default("UTC"),
  keys: z.array(key).default([]),
  shards: number(1, MAX_SHARDS, "Above 1 spreads one large client by datalogger.").default(1),
  weight: positive(1000, "It is the share under contention; 1 is usual.").default(1),
  limits: tenantLimits.prefault({}),
  meters: z.array(meter).default([]),
  rules: z.array(ruleSchema).default([]),
  webhooks,
}).superRefine(checkNoData);

export type TenantConfig = z.output<typeof tenant>;

/** The whole configuration. A field's own faults carry `FieldIssue`; what spans several tenants or rules is in `cross.ts`. */
export const configSchema = record({
  listen: listen.prefault({}),
  dataDir: text("a path", 'The default is "./data".', /^[^\0]{1,4096}$/).default("./data"),
  shards: field(
    { allowed: `"auto", or a whole number from 1 to ${MAX_SHARDS}`, remedy: '"auto" leaves a core to the store.' },
    (value): number | "auto" | undefined => {
      if (value === "auto") return value;
      return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= MAX_SHARDS ? value : undefined;
    },
  ).default("auto"),
  ack: field(
    {
      allowed: '"durable", "stored" ("queued" needs a broker, which is not available in this version)',
      remedy: "durable: acked once on this node's disk; stored: once committed by the store.",
      names: ["durable", "stored"],
    },
    (value) => (value === "durable" || value === "stored" ? (value as "durable" | "stored") : undefined),
  ).default("durable"),
  journal: journal.prefault({}),
  store: store.prefault({ type: "duckdb" }),
  redis: redis.default(null),
  rabbitmq: notYet("a broker is", "null"),
  tenants: z.array(tenant),
});

export type Config = z.output<typeof configSchema>;
