import assert from "node:assert/strict";
import { type TenantPlan, timelineFor } from "../../engine/base/settings.js";
import type { MeterExchange, MeterReading } from "../../engine/client/frames.js";
import { reference } from "../reference/reference.js";
import { Random } from "../support/random.js";
import { SimClock } from "../support/sim-clock.js";
import { SimDisk } from "../support/sim-disk.js";
import { Life } from "./life.js";
import { plans, TIMED_RULES } from "./plans.js";
import type { SimDatalogger } from "./sim-datalogger.js";
import { SimNetwork } from "./sim-network.js";
import { SimStore, TABLES } from "./sim-store.js";

/**
 * Holds a store against two witnesses: a run of the same frames without any fault, for every table; and the rules written plainly.
 * Returns the number of rows.
 */
export async function checkRows(
  store: SimStore,
  dataloggers: readonly SimDatalogger[],
  told: ReadonlySet<string>,
  clients: readonly TenantPlan[] = plans,
): Promise<number> {
  const faultless = await storeOf(dataloggers, clients);
  let rows = 0;
  for (const table of TABLES) {
    // What runs when an alert is judged also depends on whether a late reading has been worked in by then.
    const isSure = ([key]: [string, string]) => {
      const [tenant, meter, , rule = ""] = key.split("/");
      // Nor is it sure what happens when, in a run without faults, where time alone decides.
      return table !== "alerts" || !(faultless.lateMeters.has(`${tenant}/${meter}`) || TIMED_RULES.has(rule));
    };
    const [is, should] = [sorted(store, table).filter(isSure), sorted(faultless, table).filter(isSure)];
    assert.deepEqual(is, should, `${table} holds other rows than a run without faults`);
    rows += faultless.tables.get(table)?.size ?? 0;
  }
  for (const [alert] of sorted(store, "alerts")) assert.ok(told.has(alert), `the alert ${alert} is stored, but nobody was told`);
  for (const alert of told) assert.ok(store.row("alerts", alert) !== undefined, `the alert ${alert} was told, but is not stored`);
  for (const datalogger of dataloggers) {
    for (const meter of datalogger.meters) checkMeter(store, datalogger, meter, clients);
  }
  return rows;
}

function sorted(store: SimStore, table: (typeof TABLES)[number]): [string, string][] {
  return [...(store.tables.get(table) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The store after the same frames in the same order, when nothing ever goes wrong. */
async function storeOf(dataloggers: readonly SimDatalogger[], clients: readonly TenantPlan[]): Promise<SimStore> {
  const clock = new SimClock();
  const store = new SimStore(new Random(1), clock, 1);
  const network = new SimNetwork(clock, 1 << 20, { acked: () => {}, alert: () => {} });
  const sizes = { blockBytes: 1 << 16, segmentBytes: 1 << 20, memoryBytes: 1 << 20, metersPerPage: 16 };
  const common = { clock, store, network, ack: "durable" as const, keepMs: 0, journalMaxBytes: 1 << 30, sizes, clients };
  const life = new Life({ ...common, disk: new SimDisk(), wrong: {} });
  life.start();
  for (const datalogger of dataloggers) {
    const twin = datalogger.twin();
    twin.connect(network);
    for (let round = 0; !twin.done; round++) {
      assert.ok(round < 1000, `${twin.name}: a run without faults does not come to an end`);
      twin.receive(100);
      twin.send(network, 1000);
      network.flush(1000);
      life.step();
      for (let i = 0; i < 100; i++) await Promise.resolve();
      network.drain();
    }
  }
  const isDone = () => life.shard?.applier.late.size === 0 && life.shard.loop.pump.position === life.shard.journal.appended;
  for (let i = 0; !isDone(); i++) {
    assert.ok(i < 20_000, `late inputs are never worked in: ${life.shard?.loop.beside.mender.trouble}`);
    clock.advance(30);
    for (let turn = 0; turn < 50; turn++) await Promise.resolve();
  }
  life.end();
  return store;
}

/** The rows of one meter as the rules written plainly have them. */
function checkMeter(store: SimStore, datalogger: SimDatalogger, meter: string, clients: readonly TenantPlan[]): void {
  const plan = clients.find(({ id }) => id === datalogger.tenant);
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
  assert.deepEqual(ofMeter(store, "readings", prefix), sortedByKey(readings), `readings of ${prefix} are not those of the rules`);
  const periods = expected.consumption.map(({ ts, period, value, min, max, coverage, readings: count, flags }) => [
    `${prefix}${period}/${ts}`,
    JSON.stringify([value, min, max, coverage, count, flags]),
  ]);
  assert.deepEqual(
    ofMeter(store, "consumption", prefix),
    sortedByKey(periods),
    `consumption of ${prefix} is not that of the rules`,
  );
}

function ofMeter(store: SimStore, table: (typeof TABLES)[number], prefix: string): string[][] {
  return sorted(store, table).filter(([key]) => key.startsWith(prefix));
}

function sortedByKey(rows: string[][]): string[][] {
  return rows.sort(([a = ""], [b = ""]) => (a < b ? -1 : 1));
}
