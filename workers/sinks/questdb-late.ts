import { type Clock, sleep } from "../../engine/base/clock.js";
import { MeterstormError } from "../../engine/base/errors.js";
import type { Names } from "../../engine/store/interface.js";
import { maxSqlBytes, type QuestDbConnection } from "../../engine/store/questdb-http.js";
import { tableStates } from "../../engine/store/questdb-tables.js";
import { sqlText, sqlTime } from "../../engine/store/sql.js";
import type { LateReadings } from "./late.js";

/** Rows that one look-up may bring beside those it is after: it asks for all its meters at all its times. */
const maxRowsPerLookup = 20_000;

/**
 * Waits until everything that `readings` accepted so far can be read. Throws MeterstormError
 * `store_unavailable` when the table is suspended, missing, or not there within `deadlineMs`.
 */
export async function awaitVisible(connection: QuestDbConnection, clock: Clock, deadlineMs: number): Promise<void> {
  const end = clock.monotonicMs() + deadlineMs;
  let target = -1;
  for (let pauseMs = 2; ; pauseMs = Math.min(pauseMs * 2, 200)) {
    const state = (await tableStates(connection)).find((candidate) => candidate.name === "readings");
    if (state === undefined || state.suspended) {
      throw new MeterstormError(
        "store_unavailable",
        "table readings is missing or suspended, late readings wait until it is not",
      );
    }
    if (target < 0) target = state.sequencerTxn;
    if (state.writerTxn >= target) return;
    if (clock.monotonicMs() > end) {
      const behind = `${state.writerTxn} of ${target} transactions`;
      throw new MeterstormError(
        "store_unavailable",
        `QuestDB has applied ${behind} to readings in ${deadlineMs} ms; late readings wait`,
      );
    }
    await sleep(clock, pauseMs);
  }
}

/** Tells `late` of the rows that the store holds at its moments, in as few statements as fit the server's buffers. */
export async function lookUp(connection: QuestDbConnection, names: Names, late: LateReadings): Promise<void> {
  const byTenant = new Map<string, { meter: number; ts: number }[]>();
  for (const moment of late.moments()) {
    const tenant = names.tenantOfMeter(moment.meter);
    const moments = byTenant.get(tenant);
    if (moments === undefined) byTenant.set(tenant, [moment]);
    else moments.push(moment);
  }
  for (const [tenant, moments] of byTenant) {
    // Neighbours in time share a partition, so that a statement touches few of them.
    moments.sort((a, b) => a.ts - b.ts || a.meter - b.meter);
    let group = new Lookup(tenant);
    for (const { meter, ts } of moments) {
      if (group.add(names.meter(meter), meter, ts)) continue;
      await group.run(connection, late);
      group = new Lookup(tenant);
      group.add(names.meter(meter), meter, ts);
    }
    await group.run(connection, late);
  }
}

/** One statement: some meters of one tenant at some times. */
class Lookup {
  readonly #tenant: string;
  readonly #meters = new Map<string, number>();
  readonly #times = new Set<number>();
  #bytes: number;

  constructor(tenant: string) {
    this.#tenant = tenant;
    this.#bytes = 512 + encodedBytes(sqlText(tenant));
  }

  /** False when the statement is full; nothing was added then. */
  add(name: string, meter: number, ts: number): boolean {
    const newMeter = !this.#meters.has(name);
    const newTime = !this.#times.has(ts);
    const bytes = (newMeter ? encodedBytes(sqlText(name)) + 3 : 0) + (newTime ? encodedBytes(sqlTime(ts)) + 3 : 0);
    const rows = (this.#meters.size + (newMeter ? 1 : 0)) * (this.#times.size + (newTime ? 1 : 0));
    if (this.#meters.size > 0 && (this.#bytes + bytes > maxSqlBytes || rows > maxRowsPerLookup)) return false;
    this.#bytes += bytes;
    this.#meters.set(name, meter);
    this.#times.add(ts);
    return true;
  }

  async run(connection: QuestDbConnection, late: LateReadings): Promise<void> {
    if (this.#meters.size === 0) return;
    const meters = [...this.#meters.keys()].map(sqlText).join(",");
    const times = [...this.#times].map(sqlTime).join(",");
    const rows = await connection.query(
      `SELECT "meter", cast("ts" AS LONG), "value", "rev" FROM "readings" ` +
        `WHERE "tenant" = ${sqlText(this.#tenant)} AND "meter" IN (${meters}) AND "ts" IN (${times})`,
    );
    for (const [name, micros, value, rev] of rows) {
      const meter = this.#meters.get(String(name));
      if (meter !== undefined) late.found(meter, Number(micros) / 1000, Number(value), Number(rev));
    }
  }
}

function encodedBytes(text: string): number {
  return encodeURIComponent(text).length;
}
