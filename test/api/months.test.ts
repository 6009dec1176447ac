import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Api, type ApiOptions } from "../../engine/api/api.js";
import { dayAt, monthAt } from "../../engine/api/month-spans.js";
import { calendarFor } from "../../engine/base/calendar.js";
import type { MonthExplanation } from "../../engine/base/explanation.js";
import { type MeterTimeline, stepAt, timelineFor } from "../../engine/base/settings.js";
import { DAY_MS, HOUR_MS } from "../../engine/base/zone.js";
import { parseConfig } from "../../engine/config/load.js";
import { tenantPlans } from "../../engine/config/tenants.js";
import type { ConsumptionRow } from "../../engine/store/interface.js";
import type { ShownPeriod } from "../end-to-end/api.js";
import { reference } from "../reference/reference.js";

const at = (text: string) => Date.parse(text);
const iso = (ms: number) => new Date(ms).toISOString().replace(":00.000Z", "Z");

/** A meter's rows behind the queries, as the rules make them of readings every so often from one instant to another. */
class Meter {
  readonly timeline: MeterTimeline;
  readonly days: readonly ConsumptionRow[];
  readonly #api: Api;

  constructor(meters: object[], from: string, to: string, everyMs = HOUR_MS, valueAt = (hours: number) => hours) {
    const result = parseConfig({ tenants: [{ id: "a", timezone: "UTC", meters }] }, "x");
    assert.ok("config" in result, JSON.stringify(result));
    const plan = tenantPlans(result.config)[0]!;
    this.timeline = timelineFor(plan, "m");
    const inputs = [];
    for (let ts = at(from); ts <= at(to); ts += everyMs) inputs.push({ ts, value: valueAt((ts - at(from)) / HOUR_MS) });
    const { consumption } = reference(this.timeline, inputs);
    this.days = consumption.filter(({ period }) => period === "day").sort((a, b) => a.ts - b.ts);
    const known = { last: { ts: new Date(inputs.at(-1)!.ts).toISOString() }, pending: 0 };
    this.#api = new Api({
      authenticate: () => ({ tenant: "a", role: "read" }),
      plan: () => plan,
      shardsOf: () => [{}],
      queries: { ask: async () => known },
      store: {
        consumption: async (_tenant: string, _meter: string, period: string, span: { from: number; to: number }) =>
          consumption.filter((row) => row.period === period && span.from <= row.ts && row.ts < span.to),
      },
    } as unknown as ApiOptions);
  }

  async get(path: string, query: Record<string, string>): Promise<unknown> {
    const request = { method: "GET", path: `/v1/meters/m/${path}`, query: new URLSearchParams(query), authorization: "Bearer x" };
    const { status, body } = await this.#api.request(request as Parameters<Api["request"]>[0]);
    assert.equal(status, 200, String(body));
    return JSON.parse(String(body));
  }

  async months(query: Record<string, string> = {}): Promise<ShownPeriod[]> {
    return (await this.get("consumption", { period: "month", ...query })) as ShownPeriod[];
  }

  explained(ts: string): Promise<MonthExplanation> {
    return this.get("explain", { period: "month", ts }) as Promise<MonthExplanation>;
  }
}

const shown = (rows: readonly ShownPeriod[]) =>
  rows.map(({ ts, localDate, value, coverage }) => [ts, localDate, value, coverage]);

test("settings that are planned decide nothing of the time before them", async () => {
  const madrid = { match: "*", maxRate: 40, timezone: "Europe/Madrid" };
  const planned = [madrid, { ...madrid, timezone: "America/New_York", kind: "gauge", from: "2027-01-01T00:00:00Z" }];
  const [is, willBe] = [[madrid], planned].map((meters) => new Meter(meters, "2026-02-27T00:00:00Z", "2026-04-03T00:00:00Z"));
  const march = ["2026-02-28T23:00:00.000Z", "2026-03-01", 743, 1];
  assert.deepEqual(shown(await willBe!.months({ from: "2026-03-05T00:00:00Z", to: "2026-03-06T00:00:00Z" })), [march]);
  assert.deepEqual(await willBe!.months(), await is!.months());
  for (const ts of ["2026-03", "2026-03-05", "2026-03-31T21:00:00Z"]) {
    assert.deepEqual(await willBe!.explained(ts), await is!.explained(ts));
  }
  const day = { period: "day", from: "2026-03-05T00:00:00Z", to: "2026-03-06T00:00:00Z" };
  assert.deepEqual(shown((await willBe!.get("consumption", day)) as ShownPeriod[]), [
    ["2026-03-05T23:00:00.000Z", "2026-03-06", 24, 1],
  ]);
});

test("a month begins in the zone of its beginning and ends in that of its end", async () => {
  const utc = { match: "*", maxRate: 40 };
  const meter = new Meter(
    [utc, { ...utc, timezone: "Europe/Madrid", from: "2026-03-10T15:00:00Z" }],
    "2026-02-27T00:00:00Z",
    "2026-05-02T00:00:00Z",
  );
  const all = await meter.months();
  assert.deepEqual(shown(all).slice(1, 3), [
    ["2026-03-01T00:00:00.000Z", "2026-03-01", 31 * 24 - 2, 1],
    ["2026-03-31T22:00:00.000Z", "2026-04-01", 30 * 24, 1],
  ]);
  for (const within of ["2026-03-01T00:00:00Z", "2026-03-10T14:59:59Z", "2026-03-10T15:00:00Z", "2026-03-31T21:59:59Z"]) {
    const to = new Date(at(within) + 1).toISOString();
    assert.deepEqual(await meter.months({ from: within, to }), all.slice(1, 2), within);
    const { ts, end, figure, days, lengthMs, coveredMs } = await meter.explained(within);
    assert.deepEqual([ts, end], ["2026-03-01T00:00:00.000Z", "2026-03-31T22:00:00.000Z"]);
    const { ts: _, localDate: __, ...row } = all[1]!;
    assert.deepEqual(figure, row);
    // The day of the change has two rows.
    assert.deepEqual(
      days.slice(8, 12).map((day) => [day.localDate, day.lengthMs / HOUR_MS, day.value]),
      [
        ["2026-03-09", 24, 24],
        ["2026-03-10", 15, 15],
        ["2026-03-10", 8, 8],
        ["2026-03-11", 24, 24],
      ],
    );
    assert.equal(days.length, 32);
    assert.deepEqual([lengthMs, coveredMs], [742 * HOUR_MS, 742 * HOUR_MS]);
  }
  assert.equal((await meter.explained("2026-03")).timezone, "Europe/Madrid");
  assert.equal((await meter.explained("2026-03-05")).timezone, "UTC");
});

test("a day that is cut by other settings counts as long as it is, and amounts add up in the finest resolution", async () => {
  const utc = { match: "*", maxRate: 40 };
  const meter = new Meter(
    [utc, { ...utc, multiplier: 0.00001, from: "2026-03-10T15:00:00Z" }],
    "2026-03-01T00:00:00Z",
    "2026-03-31T12:00:00Z",
  );
  const before = 9 * 24 + 15;
  const covered = 30 * 24;
  assert.deepEqual(shown(await meter.months()), [
    ["2026-03-01T00:00:00.000Z", "2026-03-01", (before * 100_000 + covered - before) / 100_000, covered / (31 * 24)],
  ]);
});

test("levels are not added to amounts, nor amounts of two units", async () => {
  const from = "2026-03-11T00:00:00Z";
  const counter = { match: "*", maxRate: 40, unit: "kWh" };
  const gauge = new Meter(
    [
      { match: "*", kind: "gauge" },
      { ...counter, from },
    ],
    "2026-03-01T00:00:00Z",
    "2026-04-02T00:00:00Z",
  );
  const megawatts = { ...counter, unit: "MWh", multiplier: 0.001, from };
  const other = new Meter([counter, megawatts], "2026-03-01T00:00:00Z", "2026-04-02T00:00:00Z");
  assert.deepEqual(shown(await other.months()).slice(0, 2), [
    ["2026-03-01T00:00:00.000Z", "2026-03-01", 240, 1],
    ["2026-03-11T00:00:00.000Z", "2026-03-11", 0.504, 1],
  ]);
  const mean = (await gauge.months())[0]!;
  assert.deepEqual([mean.ts, mean.localDate, mean.max], ["2026-03-01T00:00:00.000Z", "2026-03-01", 239]);
  assert.equal((await other.explained("2026-03-05")).figure.value, 240);
  assert.equal((await other.explained("2026-03-20")).figure.value, 0.504);
  assert.equal((await other.explained("2026-03-20")).unit, "MWh");
});

test("months lie side by side, whatever zones follow one another, and no day reaches over their ends", () => {
  const zone = fc.constantFrom(
    "UTC",
    "Europe/Madrid",
    "America/New_York",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Asia/Kathmandu",
  );
  const begin = Date.UTC(2011, 10, 20);
  const instant = fc.integer({ min: begin, max: begin + 100 * DAY_MS });
  const step = fc.record({ from: instant, timezone: zone, unit: fc.constantFrom("", "", "kWh"), maxRate: fc.nat({ max: 3 }) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 4 }), instant, (changes, ts) => {
      const settings = timelineFor({ id: "t", timezone: "UTC", meters: [], rules: [], maxMeters: 1, maxDataloggers: 1 }, "m")[0]!
        .settings;
      const meters = [
        { match: "*", settings },
        ...changes.map(({ from, ...fields }) => ({ match: "*", from, settings: { ...settings, ...fields } })),
      ];
      const timeline = timelineFor({ id: "t", timezone: "UTC", meters, rules: [], maxMeters: 1, maxDataloggers: 1 }, "m");
      const { from, to } = monthAt(timeline, ts);
      assert.ok(from <= ts && ts < to);
      for (const other of [from, to - 1]) assert.deepEqual(monthAt(timeline, other), { from, to }, iso(other));
      assert.equal(monthAt(timeline, to).from, to);
      assert.equal(monthAt(timeline, from - 1).to, from);
      const names = new Set<string>();
      const units = new Set<string>();
      let next = from;
      while (next < to) {
        const { timezone, unit } = stepAt(timeline, next).settings;
        names.add(calendarFor(timezone).localDate(next).slice(0, 7));
        units.add(unit);
        const day = dayAt(timeline, next);
        assert.equal(day.from, next);
        next = day.to;
      }
      assert.equal(next, to);
      assert.deepEqual([names.size, units.size], [1, 1]);
    }),
    { numRuns: 500 },
  );
});
