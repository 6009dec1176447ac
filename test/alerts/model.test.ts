import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { calendarFor } from "../../engine/base/calendar.js";
import { globMatches } from "../../engine/base/glob.js";
import type { MeterEntry, Rule, RuleSchedule, TenantPlan } from "../../engine/base/settings.js";
import { AlertBook } from "../../workers/state/alerts.js";
import { AlertRows } from "../../workers/state/alerts-rows.js";
import { SimClock } from "../support/sim-clock.js";
import { type ExpectedRow, PlainAlerts } from "./model.js";
import { ModelShard, type WrongAlerts } from "./model-shard.js";
import { rule, settings } from "./reading-along.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Two of them change their clocks, one by half an hour, and that one labels its intervals by their start; the last one is configured by name and rarely sent. */
const METERS: readonly (readonly [string, string, number | null])[] = [
  ["a", "Europe/Madrid", 20 * MINUTE],
  ["b", "Australia/Lord_Howe", null],
  ["named", "Europe/Madrid", HOUR],
];
/** A day before the clocks go forward, a day before they go back, in both zones, and a plain week. */
const BEGINNINGS = [
  Date.UTC(2026, 2, 28, 20),
  Date.UTC(2026, 9, 24, 20),
  Date.UTC(2026, 3, 4, 3),
  Date.UTC(2026, 9, 3, 3),
  Date.UTC(2026, 5, 1),
];

interface Real {
  clock: SimClock;
  shard: ModelShard;
  planOf(rules: readonly Rule[]): TenantPlan;
}
interface Model {
  alerts: PlainAlerts;
  newest: Map<string, number>;
}
type Command = fc.Command<Model, Real>;

/** What was tried, so that a test that tries nothing fails. */
const tried = { transitions: 0, ticks: 0, again: 0, climbs: 0, missed: 0, restarts: 0 };

const inOrder = (rows: readonly ExpectedRow[]) =>
  rows
    .map((row) => JSON.stringify([row.meter, row.rule, row.ts, row.incident, row.state, row.severity, row.threshold, row.value]))
    .sort();

class Step implements Command {
  readonly #text: string;
  readonly #act: (model: Model, real: Real) => void;

  constructor(text: string, act: (model: Model, real: Real) => void) {
    this.#text = text;
    this.#act = act;
  }

  check(): boolean {
    return true;
  }

  run(model: Model, real: Real): void {
    this.#act(model, real);
    assert.deepEqual(inOrder(real.shard.rows), inOrder(model.alerts.rows));
  }

  toString(): string {
    return this.#text;
  }
}

function pass(ms: number, ticks: boolean): Command {
  return new Step(`${ticks ? "tick after" : "pass"} ${ms}`, (model, { clock, shard }) => {
    clock.advance(ms);
    if (!ticks) return;
    shard.tick();
    model.alerts.tick(clock.nowMs());
  });
}

/** In order, `lagMs` behind the engine's clock where that is later than what came before. */
function send(meter: string, stepMs: number, lagMs: number, value: number): Command {
  return new Step(`send ${meter} ${stepMs} ${lagMs} ${value}`, (model, { clock, shard }) => {
    const newest = model.newest.get(meter) ?? Number.NEGATIVE_INFINITY;
    let ts = clock.nowMs() - lagMs;
    if (ts < newest + stepMs) ts = newest + stepMs;
    if (ts > clock.nowMs() + HOUR) clock.advance(ts - clock.nowMs() - HOUR);
    model.newest.set(meter, ts);
    shard.reading(meter, ts, value);
    model.alerts.reading(meter, ts, value, clock.nowMs());
  });
}

function sendHistory(meter: string, backMs: number, value: number): Command {
  return new Step(`send history ${meter} ${backMs} ${value}`, (model, { clock, shard }) => {
    const newest = model.newest.get(meter);
    if (newest === undefined) return;
    shard.reading(meter, newest - backMs, value);
    model.alerts.reading(meter, newest - backMs, value, clock.nowMs());
  });
}

function edit(rules: readonly Rule[]): Command {
  return new Step(`rules ${JSON.stringify(rules)}`, (model, { clock, shard, planOf }) => {
    shard.adopt(planOf(rules));
    model.alerts.setRules(rules, clock.nowMs());
    model.alerts.named("named", clock.nowMs());
  });
}

function restart(downMs: number): Command {
  return new Step(`restart after ${downMs}`, (model, { clock, shard }) => {
    clock.advance(downMs);
    shard.restart();
    model.alerts.started(clock.nowMs());
    tried.restarts++;
  });
}

const snapshot: Command = new Step("snapshot", (_, { shard }) => shard.snapshot());

const hours: fc.Arbitrary<RuleSchedule | null> = fc.option(
  fc.record({
    days: fc.subarray([1, 2, 3, 4, 5, 6, 7], { minLength: 1 }),
    fromMinute: fc.nat(23).map((hour) => hour * 60),
    toMinute: fc.nat(95).map((quarter) => quarter * 15),
  }),
  { nil: null, freq: 2 },
);

const rules: fc.Arbitrary<Rule[]> = fc
  .array(
    fc.record({
      id: fc.constantFrom("x", "y", "z"),
      meters: fc.constantFrom("*", "*", "a", "?"),
      on: fc.constantFrom<Rule["on"][]>("value", "value", "value", "delta", "delta", "flag", "nodata"),
      below: fc.boolean(),
      band: fc.constantFrom(null, 0, 1, 2),
      levels: fc.constantFrom(0, 2, 3, 3),
      forMs: fc.constantFrom(0, 0, MINUTE, 10 * MINUTE, 3 * HOUR),
      keepFiringMs: fc.constantFrom(0, 0, 5 * MINUTE, 2 * HOUR),
      schedule: hours,
    }),
    { minLength: 1, maxLength: 3 },
  )
  .map((list) => {
    const unique = [...new Map(list.map((each) => [each.id, each])).values()];
    return unique.map(({ id: name, meters, on, below, band, levels, forMs, keepFiringMs, schedule }): Rule => {
      // Under one id a rule looks at one thing: two that began at once would be one incident.
      const id = `${name}-${on}`;
      const common = { id, meters, on, forMs, keepFiringMs, schedule };
      if (on === "flag") return rule({ ...common, threshold: null, flag: "QUESTIONABLE" });
      if (on === "nodata") return rule({ ...common, threshold: null });
      const sign = below ? -1 : 1;
      const severities = ["info", "warning", "critical"] as const;
      return rule({
        ...common,
        op: below ? "<=" : ">",
        threshold: 2,
        clear: band === null ? null : 2 - sign * band,
        severity: levels > 1 ? "info" : "warning",
        levels: levels > 1 ? severities.slice(0, levels).map((severity, i) => ({ severity, threshold: 2 + sign * 2 * i })) : [],
      });
    });
  });

const value = fc.constantFrom(-3, -1, 0, 1, 2, 3, 4, 5, 7);
const meter = fc.constantFrom("a", "a", "a", "b", "b", "named");
const stretch = fc.constantFrom(1_000, MINUTE, 5 * MINUTE, 5 * MINUTE, 20 * MINUTE, HOUR, 5 * HOUR, 26 * HOUR);
const lag = fc.constantFrom(0, 0, 0, 2 * MINUTE, HOUR, 300 * DAY);
const oneByOne = fc.constantFrom(MINUTE, 5 * MINUTE);
const commands = [
  ...[0, 1, 2, 3].map(() => fc.tuple(meter, oneByOne, fc.constant(0), value).map((args) => send(...args))),
  fc.tuple(meter, fc.constantFrom(MINUTE, 5 * MINUTE, 30 * MINUTE, 7 * HOUR), lag, value).map((args) => send(...args)),
  fc.tuple(meter, oneByOne, lag, value).map((args) => send(...args)),
  fc.tuple(stretch, fc.boolean()).map((args) => pass(...args)),
  stretch.map((ms) => pass(ms, true)),
  fc.oneof({ weight: 4, arbitrary: rules }, { weight: 1, arbitrary: fc.constant([]) }).map(edit),
  fc.tuple(meter, fc.constantFrom(7 * MINUTE, 3 * DAY), value).map((args) => sendHistory(...args)),
  fc.constantFrom(0, 1_000, HOUR).map(restart),
  fc.constant(snapshot),
];

const plan = { id: "acme", timezone: "UTC", maxMeters: 10, maxDataloggers: 10 };
const labelOf = (meter: string) => (meter === "b" ? "start" : "end");
const meters: MeterEntry[] = METERS.map(([match, timezone, expectMs]) => ({
  // A glob does not name a meter: it is not missed before it is seen.
  match: match === "named" ? match : `${match}*`,
  settings: settings({ kind: "interval", interval: MINUTE, label: labelOf(match), timezone, expectMs }),
}));

function run(first: readonly Rule[], startMs: number, steps: Iterable<Command>, wrong?: WrongAlerts): void {
  const clock = new SimClock(startMs);
  const planOf = (list: readonly Rule[]): TenantPlan => ({ ...plan, meters, rules: list });
  const of = (id: string) => METERS.find(([known]) => known === id)!;
  const alerts = new PlainAlerts(
    (id) => of(id)[1],
    (id) => of(id)[2],
    (id) => (labelOf(id) === "start" ? MINUTE : 0),
    (each, id) => globMatches(each.meters, id),
  );
  alerts.started(startMs);
  alerts.setRules(first, startMs);
  alerts.named("named", startMs);
  const shard = new ModelShard(clock, planOf(first), wrong);
  fc.modelRun(() => ({ model: { alerts, newest: new Map() }, real: { clock, shard, planOf } }), steps);
  tried.transitions += shard.rows.length;
  tried.ticks += shard.ticks;
  tried.again += shard.rows.length - new Set(shard.rows.map(({ incident }) => incident)).size;
  tried.climbs += shard.rows.filter(({ state, severity }) => state === "firing" && severity === "critical").length;
  tried.missed += shard.rows.filter(({ state, threshold }) => state === "firing" && threshold === null).length;
}

function property(wrong?: WrongAlerts) {
  const start = fc.constantFrom(...BEGINNINGS);
  return fc.property(rules, start, fc.commands(commands, { maxCommands: 60, size: "+1" }), (first, startMs, steps) => {
    run(first, startMs, steps, wrong);
  });
}

/** The alerts with something else in the place of one of its parts. */
function patched(patch: (book: AlertBook) => void): WrongAlerts {
  return {
    opened: ({ alerts }) => patch(alerts),
  };
}

const withPrototype = <T extends object>(prototype: T, name: keyof T, other: unknown, act: () => void): void => {
  const whole = prototype[name];
  prototype[name] = other as T[keyof T];
  try {
    act();
  } finally {
    prototype[name] = whole;
  }
};

describe("alerts and a plain model of them", () => {
  it("do the same through readings, silence, ticks, edits and restarts", (t) => {
    fc.assert(property(), { numRuns: Number(process.env["MODEL_RUNS"] ?? 1000) });
    t.diagnostic(JSON.stringify(tried));
    for (const [what, times] of Object.entries(tried)) assert.ok(times > 100, `${what}: only ${times}`);
  });

  const findsOut = (wrong?: WrongAlerts) => {
    const details = fc.check(property(wrong), { numRuns: 3000, endOnFailure: true });
    assert.ok(details.failed, `${details.numRuns} runs did not find it out`);
  };

  it("find out alerts that judge hours by UTC", () => findsOut({ book: () => new AlertBook(() => calendarFor("UTC")) }));

  it("find out alerts that do not know of the engine's own downtime", () =>
    findsOut(
      patched((book) => {
        book.started = () => {};
      }),
    ));

  it("find out ticks that take the engine's clock for the meters' own", () => {
    withPrototype(AlertRows.prototype, "lagMs", () => 0, findsOut);
  });

  it("find out ticks that nobody makes", () => {
    withPrototype(AlertBook.prototype, "tick", () => 0, findsOut);
  });

  it("find out rules that begin anew with every edit", () =>
    findsOut(
      patched((book) => {
        const { setRules } = book;
        book.setRules = (tenant, name, list, nowMs) => {
          setRules.call(book, tenant, name, [], nowMs);
          setRules.call(book, tenant, name, list, nowMs);
        };
      }),
    ));

  it("find out a snapshot without what happened to the meters", () =>
    findsOut(
      patched((book) => {
        book.restore = () => {};
      }),
    ));

  it("find out history that counts as a sign of life", () =>
    findsOut({
      opened: (applier) => {
        const { apply } = applier;
        applier.apply = (meter, ts, value, rev) => {
          const isHistory = ts < applier.book.newestTs(meter);
          apply.call(applier, meter, ts, value, rev);
          const { alerts, book, out, directory, arrivalMs } = applier;
          if (isHistory) alerts.judge(meter, book, out, (id) => directory.ruleNumber(id), arrivalMs);
        };
      },
    }));
});
