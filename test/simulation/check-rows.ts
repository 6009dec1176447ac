import assert from "node:assert/strict";
import { type TenantPlan, timelineFor } from "../../engine/base/settings.js";
import type { MeterExchange, MeterReading } from "../../engine/client/frames.js";
import { reference } from "../reference/reference.js";
import { Random } from "../support/random.js";
import { SimClock } from "../support/sim-clock.js";
import { SimDisk } from "../support/sim-disk.js";
import { Life } from "./life.js";
import type { PlanChange } from "./plan-changes.js";
import { plans as firstPlans, TIMED_RULES } from "./plans.js";
import type { SimDatalogger } from "./sim-datalogger.js";
import { SimNetwork } from "./sim-network.js";
import { SimStore, TABLES } from "./sim-store.js";

/** What the configuration said in a run, one after the other, and rules that left a meter (see PlanEdits). */
export interface Changed {
  /** What it said at first, where that is not what it says in all simulations. */
  first?: readonly TenantPlan[];
  changes: readonly PlanChange[];
  left: ReadonlySet<string>;
}

/**
 * Holds a store against two witnesses: a run of the same frames without any fault, for every table; and the rules written plainly.
 * Returns the number of rows.
 */
export async function checkRows(
  store: SimStore,
  dataloggers: readonly SimDatalogger[],
  told: ReadonlySet<string>,
  { changes, left, first = firstPlans }: Changed,
): Promise<number> {
  const faultless = await storeOf(dataloggers, first, changes);
  let rows = 0;
  for (const table of TABLES) {
    // What runs when an alert is judged also depends on whether a late reading has been worked in by then.
    const isSure = ([key]: [string, string]) => {
      const [tenant, meter, , rule = ""] = key.split("/");
      // Nor is it sure what happens when, in a run without faults, where time alone decides.
      return table !== "alerts" || !(faultless.lateMeters.has(`${tenant}/${meter}`) || TIMED_RULES.has(rule));
    };
    const rowsOf = (of: SimStore) => {
      const sure = [...(of.tables.get(table) ?? [])].filter(isSure);
      return inOrder(table === "alerts" ? sure.map((row) => asFarAsSure(row, left)) : sure);
    };
    const [is, should] = [rowsOf(store), rowsOf(faultless)];
    assert.deepEqual(is, should, `${table} holds other rows than a run without faults`);
    rows += faultless.tables.get(table)?.size ?? 0;
  }
  for (const alert of store.tables.get("alerts")?.keys() ?? [])
    assert.ok(told.has(alert), `the alert ${alert} is stored, but nobody was told`);
  for (const alert of told) assert.ok(store.row("alerts", alert) !== undefined, `the alert ${alert} was told, but is not stored`);
  for (const datalogger of dataloggers) {
    for (const meter of datalogger.meters) checkMeter(store, changes.at(-1)?.plans ?? first, datalogger, meter);
  }
  return rows;
}

/** An alert's row; where its rule had left the meter it is not sure when the incident ended, only that it did. */
function asFarAsSure([key, cells]: [string, string], left: ReadonlySet<string>): [string, string] {
  const [tenant, meter, , rule = "", incident, state] = key.split("/");
  const isSure = state !== "resolved" || !left.has(rule);
  return isSure ? [key, cells] : [[tenant, meter, "sometime", rule, incident, state].join("/"), ""];
}

function inOrder<Row extends readonly string[]>(rows: Row[]): Row[] {
  return rows.sort(([a = ""], [b = ""]) => (a < b ? -1 : 1));
}

/** The store after the same frames in the same order, and the same changes between them, when nothing ever goes wrong. */
async function storeOf(
  dataloggers: readonly SimDatalogger[],
  first: readonly TenantPlan[],
  changes: readonly PlanChange[],
): Promise<SimStore> {
  const run = new FaultlessRun(dataloggers, first);
  for (const { plans, after } of changes) {
    for (const twin of run.twins) await run.send(twin, after.get(`${twin.tenant}/${twin.id}`) ?? 0);
    await run.change(plans);
  }
  for (const twin of run.twins) await run.send(twin, Number.POSITIVE_INFINITY);
  return run.end();
}

class FaultlessRun {
  readonly #clock = new SimClock();
  readonly #store = new SimStore(new Random(1), this.#clock, 1);
  readonly #network = new SimNetwork(this.#clock, 1 << 20, { acked: () => {}, alert: () => {} });
  readonly #life: Life;
  readonly twins: readonly SimDatalogger[];

  constructor(dataloggers: readonly SimDatalogger[], plans: readonly TenantPlan[]) {
    const sizes = { blockBytes: 1 << 16, segmentBytes: 1 << 20, memoryBytes: 1 << 20, metersPerPage: 16 };
    const [clock, store, network] = [this.#clock, this.#store, this.#network];
    const common = { clock, store, network, ack: "durable" as const, keepMs: 0, journalMaxBytes: 1 << 30, sizes };
    this.#life = new Life({ ...common, disk: new SimDisk(), plans, wrong: {} });
    this.#life.start();
    this.twins = dataloggers.map((datalogger) => datalogger.twin());
  }

  /** Sends the datalogger's frames up to a seq. */
  async send(twin: SimDatalogger, last: number): Promise<void> {
    if (twin.connection === null) twin.connect(this.#network);
    for (let round = 0; !twin.doneTo(last); round++) {
      assert.ok(round < 1000, `${twin.name}: a run without faults does not come to an end`);
      twin.receive(100);
      twin.send(this.#network, 1000, last);
      await this.#turn(100);
    }
  }

  async #turn(turns: number): Promise<void> {
    this.#network.flush(1000);
    this.#life.step();
    for (let i = 0; i < turns; i++) await Promise.resolve();
    this.#network.drain();
  }

  /** Goes on by other plans, and lets pass what the clock decides of those that went. */
  async change(plans: readonly TenantPlan[]): Promise<void> {
    for (let round = 0; this.#life.shard === null; round++) {
      assert.ok(round < 1000, "a run without faults does not open");
      await this.#turn(100);
    }
    this.#life.shard.loop.adopt(plans);
    this.#clock.advance(1_000);
    await this.#turn(100);
  }

  async end(): Promise<SimStore> {
    const life = this.#life;
    const isDone = () => life.shard?.applier.late.size === 0 && life.shard.loop.pump.position === life.shard.journal.appended;
    for (let i = 0; !isDone(); i++) {
      assert.ok(i < 20_000, `late inputs are never worked in: ${life.shard?.loop.beside.mender.trouble}`);
      this.#clock.advance(30);
      for (let turn = 0; turn < 50; turn++) await Promise.resolve();
    }
    life.end();
    return this.#store;
  }
}

/** The rows of one meter as the rules written plainly have them. */
function checkMeter(store: SimStore, plans: readonly TenantPlan[], datalogger: SimDatalogger, meter: string): void {
  const plan = plans.find(({ id }) => id === datalogger.tenant);
  assert.ok(plan !== undefined);
  const inputs: (MeterReading | MeterExchange)[] = datalogger.frames.flatMap(({ readings, exchanges }) =>
    [...readings, ...exchanges].filter((input) => input.meter === meter),
  );
  const expected = reference(timelineFor(plan, meter), inputs);
  const prefix = `${datalogger.tenant}/${meter}/`;
  const readings = expected.readings.map(({ ts, value, rev, delta, flags }) => [
    `${prefix}${ts}`,
    JSON.stringify([value, rev, delta, flags]),
  ]);
  assert.deepEqual(ofMeter(store, "readings", prefix), inOrder(readings), `readings of ${prefix} are not those of the rules`);
  const periods = expected.consumption.map(({ ts, period, value, min, max, coverage, readings: count, flags }) => [
    `${prefix}${period}/${ts}`,
    JSON.stringify([value, min, max, coverage, count, flags]),
  ]);
  assert.deepEqual(ofMeter(store, "consumption", prefix), inOrder(periods), `consumption of ${prefix} is not that of the rules`);
}

function ofMeter(store: SimStore, table: (typeof TABLES)[number], prefix: string): string[][] {
  return inOrder([...(store.tables.get(table) ?? [])].filter(([key]) => key.startsWith(prefix)));
}
