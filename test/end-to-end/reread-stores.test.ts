import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createTenant, startEngineProcess } from "../support/engine.js";
import { until } from "../support/servers.js";
import { AlertListener } from "./alert-listener.js";
import { openSqlStore, type Query, SQL_STORES, type SqlStore } from "./sql-store.js";
import { Wire } from "./wire.js";

const TS = Date.UTC(2026, 0, 1);
const SECOND_MS = 1000;
const HOUR_MS = 3_600_000;
const WITHIN_MS = 20_000;
const APPLIED = /"msg":"the configuration was read again and is in force"/;

/** Rules that change between readings, as a reader of the alerts hears it. */
async function ruleByRule(t: TestContext, { config: store }: SqlStore): Promise<void> {
  const rule = (id: string, more: object) => ({ id, on: "value", op: ">", threshold: 10, ...more });
  const stays = rule("stays", { for: "10s" });
  const tenant = (rules: object[]) => ({ ...acme.config, rules });
  const acme = createTenant("steps", { meters: [{ match: "*", kind: "gauge", decimals: 1 }] });
  const engine = await startEngineProcess({ config: { shards: 2, store, tenants: [tenant([stays, rule("goes", {})])] } });
  t.after(() => engine.kill9());
  await engine.ready();
  const stream = await AlertListener.open(engine.wsUrl, { token: acme.tokens.read });
  const wire = await Wire.open(engine.wsUrl, acme.tokens.ingest, "dl");
  const send = async (seq: number, second: number, value: number): Promise<void> => {
    wire.send({ seq, readings: [["m1", TS + second * SECOND_MS, value]] });
    await wire.acked(seq);
  };
  await send(1, 0, 11);
  await stream.hears(1);
  assert.match(await engine.reread({ shards: 2, store, tenants: [tenant([rule("comes", { threshold: 5 }), stays])] }), APPLIED);
  await send(2, 10, 12);
  const heard = await stream.hears(4);
  const found = heard.map(({ rule: id, state, ts }) => [id, state, (Date.parse(ts) - TS) / SECOND_MS]);
  assert.deepEqual(
    found.filter(([, state]) => state === "firing"),
    [
      ["goes", "firing", 0],
      ["comes", "firing", 10],
      ["stays", "firing", 10],
    ],
    "the one that stays has held since the first reading",
  );
  assert.deepEqual(
    found.filter(([, state]) => state === "resolved").map(([id]) => id),
    ["goes"],
    "what fired under a rule that went is over",
  );
  assert.match(await engine.reread({ shards: 2, store, tenants: [tenant([stays])] }), APPLIED);
  await send(3, 20, 1);
  await stream.hears(6);
  const incidents = new Map<string, string[]>();
  for (const { incident, rule: id, state } of stream.heard)
    incidents.set(incident, [...(incidents.get(incident) ?? [id]), state]);
  assert.deepEqual([...incidents.values()].sort(), [
    ["comes", "firing", "resolved"],
    ["goes", "firing", "resolved"],
    ["stays", "firing", "resolved"],
  ]);
  wire.close();
}

/** Readings of all dataloggers come so far apart, but for leaps to the next of these beginnings. */
const STEP_MS = 10;
const LEAPS = { held: TS + 2 * STEP_MS + HOUR_MS, dated: TS + 2 * HOUR_MS, over: TS + 24 * HOUR_MS };
const MULTIPLIER = 10;
const CHANGES = 15;
const HELD_FROM = 6;
const DATED_FROM = 11;

/** A register that moves by one from reading to reading and is sent as fast as it is acked. */
class Sender {
  readonly meter: string;
  readonly #wire: Wire;
  /** When each reading was taken; its number and its value are its place, from 1. */
  readonly sent: number[] = [];
  acked = 0;
  leapTo = TS + STEP_MS;

  constructor(meter: string, wire: Wire) {
    this.meter = meter;
    this.#wire = wire;
  }

  async sendOne(): Promise<void> {
    const ts = Math.max(this.leapTo, (this.sent.at(-1) ?? 0) + STEP_MS);
    const seq = this.sent.push(ts);
    this.#wire.send({ seq, readings: [[this.meter, ts, seq]] });
    await this.#wire.acked(seq);
    this.acked = seq;
  }

  async sendUntil(isOver: () => boolean): Promise<void> {
    while (!isOver()) await this.sendOne();
  }

  /** `ts`, value and delta as they must be stored. */
  get rows(): (number | null)[][] {
    return this.sent.map((ts, i) => [ts, i + 1, i === 0 ? null : ts >= LEAPS.dated ? MULTIPLIER : 1]);
  }

  /** The local day in two, as its settings change within it. */
  get days(): (number | null)[][] {
    const before = this.sent.findIndex((ts) => ts >= LEAPS.dated);
    return [
      [TS, before],
      [LEAPS.dated, (this.sent.length - 1 - before) * MULTIPLIER],
    ];
  }
}

/** Of each meter the readings between which a rule came into force: the last that was judged without it, the first that was not. */
type Between = ReadonlyMap<string, { after: number; upTo: number }>;

function ruleOf(n: number): object {
  return { id: `r${n}`, on: "delta", op: ">", threshold: 0.5 };
}

async function underLoad(t: TestContext, store: SqlStore): Promise<void> {
  const meter = { match: "*", decimals: 0, maxRate: 1e6, timezone: "UTC" };
  const stays = { id: "stays", on: "delta", op: ">", threshold: 0.5, for: "1h" };
  const acme = createTenant("load", { shards: 2 });
  const file = (rules: object[], isDated: boolean) => {
    const meters = [meter, ...(isDated ? [{ ...meter, multiplier: MULTIPLIER, from: new Date(LEAPS.dated).toISOString() }] : [])];
    return { shards: 2, store: store.config, tenants: [{ ...acme.config, meters, rules: [stays, ...rules] }] };
  };
  const engine = await startEngineProcess({ config: file([], false) });
  t.after(() => engine.kill9());
  await engine.ready();
  const stream = await AlertListener.open(engine.wsUrl, { token: acme.tokens.read });
  const senders: Sender[] = [];
  for (const id of ["a", "b", "c"]) senders.push(new Sender(`m-${id}`, await Wire.open(engine.wsUrl, acme.tokens.ingest, id)));
  let isOver = false;
  const sending = Promise.all(senders.map((sender) => sender.sendUntil(() => isOver)));
  const came: Between[] = [];
  const allAcked = (counts: readonly number[]) =>
    until("each has sent on", WITHIN_MS, () => senders.every(({ acked }, i) => acked >= counts[i]!));
  await allAcked([2, 2, 2]);
  for (let n = 0; n < CHANGES; n++) {
    for (const sender of senders) sender.leapTo = n < HELD_FROM ? 0 : n < DATED_FROM ? LEAPS.held : LEAPS.dated;
    const before = senders.map(({ acked }) => acked);
    // The settings are dated while readings of before their date are under way.
    assert.match(await engine.reread(file([ruleOf(n)], n >= HELD_FROM + 1)), APPLIED);
    const next = senders.map(({ sent }) => sent.length + 1);
    await allAcked(next);
    const between = senders.map(({ meter: id, sent }, i) => {
      return [id, { after: sent[before[i]! - 1]!, upTo: sent[next[i]! - 1]! }] as const;
    });
    came.push(new Map(between));
  }
  assert.match(await engine.reread(file([], false)), /"code":"settings_changed".*nothing is changed/, "old rows need it");
  assert.match(await engine.reread(file([], true)), APPLIED);
  isOver = true;
  await sending;
  for (const sender of senders) {
    sender.leapTo = LEAPS.over;
    await sender.sendOne();
  }
  await until("what rules that went have left is over", WITHIN_MS, () => {
    return stream.heard.filter(({ state }) => state === "resolved").length >= CHANGES * senders.length;
  });
  assert.equal(await engine.stop(), 0);
  t.diagnostic(`${senders.map(({ sent }) => sent.length).join(", ")} readings`);
  await store.asked(engine.dataDir, (query) => rowsAreRight(query, store, senders, came));
}

async function rowsAreRight(
  query: Query,
  { dialect }: SqlStore,
  senders: readonly Sender[],
  came: readonly Between[],
): Promise<void> {
  for (const { meter, rows, days, sent } of senders) {
    const where = `WHERE "tenant" = 'load' AND "meter" = '${meter}'`;
    assert.deepEqual(await query(`SELECT ${dialect.ms}, "value", "delta" FROM "readings" ${where} ORDER BY "ts"`), rows, meter);
    const whole = `SELECT ${dialect.ms}, "value" FROM "consumption" ${where} AND "period" = 'day' ORDER BY "ts"`;
    assert.deepEqual(await query(whole), days, `days of ${meter}`);
    const alerts = await query(`SELECT "rule", "state", "incident", ${dialect.ms} FROM "alerts" ${where} ORDER BY "ts", "state"`);
    const of = (rule: string) => alerts.filter(([id]) => id === rule);
    assert.deepEqual(
      of("stays").map(([, state, , ts]) => [state, ts]),
      [["firing", LEAPS.held]],
      `the rule that stayed has held since the second reading of ${meter}, and goes on`,
    );
    assert.ok(sent.length > 2 * came.length);
    for (const [n, between] of came.entries()) {
      const found = of(`r${n}`);
      assert.deepEqual(
        found.map(([, state]) => state),
        ["firing", "resolved"],
        `r${n} of ${meter}`,
      );
      assert.equal(found[0]![2], found[1]![2], "one incident");
      const { after, upTo } = between.get(meter)!;
      const fired = Number(found[0]![3]);
      assert.ok(fired > after && fired <= upTo, `r${n} of ${meter} came between ${after} and ${upTo}, and fired at ${fired}`);
    }
    assert.equal(alerts.length, 2 * came.length + 1);
  }
}

for (const { type, skip } of SQL_STORES) {
  test(`rules and dated settings change while readings come: ${type}`, { skip }, async (t) => {
    const store = await openSqlStore(t, type);
    await t.test("rules that stay keep their state, and what fires goes on firing as the same incident", (t) =>
      ruleByRule(t, store),
    );
    await t.test("dataloggers that never stop lose nothing, and each reading is judged by what was in force", (t) =>
      underLoad(t, store),
    );
  });
}
