import { sleep, systemClock } from "../engine/base/clock.js";
import { UNITS } from "../engine/load/series.js";
import { QuestDbConnection } from "../engine/store/questdb-http.js";
import { ensureTables } from "../engine/store/questdb-tables.js";
import { TABLES } from "../engine/store/schema.js";
import type { Totals } from "./rows.js";

const VISIBLE_WITHIN_MS = 300_000;

/** The store of a benchmark, as it is emptied before a run and checked after it. */
export class BenchStore {
  readonly httpUrl: string;
  readonly #connection: QuestDbConnection;

  constructor(httpUrl: string) {
    this.httpUrl = httpUrl;
    this.#connection = new QuestDbConnection({ http: httpUrl, username: null, password: null });
  }

  /** Tables as the engine makes them, empty. */
  async empty(): Promise<void> {
    for (const table of TABLES) await this.#connection.query(`DROP TABLE IF EXISTS "${table.name}"`);
    await this.#connection.query('DROP TABLE IF EXISTS "meterstorm_store"');
    await ensureTables(this.#connection);
  }

  async rowsOf(table: "readings" | "consumption"): Promise<number> {
    const [row] = await this.#connection.query(`SELECT count() FROM "${table}"`);
    return Number(row?.[0]);
  }

  /** Resolves when all rows are readable; throws when they are not within five minutes. */
  async visible(totals: Totals): Promise<void> {
    const end = performance.now() + VISIBLE_WITHIN_MS;
    for (const [table, wanted] of [
      ["readings", totals.readings],
      ["consumption", totals.periods],
    ] as const) {
      for (;;) {
        const rows = await this.rowsOf(table);
        if (rows >= wanted) break;
        if (performance.now() > end)
          throw new Error(`${rows} of ${wanted} rows of ${table} are readable after ${VISIBLE_WITHIN_MS / 1000} s`);
        await sleep(systemClock, 5);
      }
    }
  }

  /** Throws unless the store holds exactly these rows, as far as counts and sums can tell. */
  async check(totals: Totals): Promise<void> {
    const [readings] = await this.#connection.query('SELECT count(), sum("delta") FROM "readings"');
    const [periods] = await this.#connection.query('SELECT count() FROM "consumption"');
    const [hours] = await this.#connection.query(`SELECT sum("value") FROM "consumption" WHERE "period" = 'hour'`);
    const found: Totals = {
      readings: Number(readings?.[0]),
      deltaUnits: Math.round(Number(readings?.[1]) * UNITS),
      periods: Number(periods?.[0]),
      hourUnits: Math.round(Number(hours?.[0]) * UNITS),
    };
    for (const name of ["readings", "deltaUnits", "periods", "hourUnits"] as const) {
      if (found[name] !== totals[name]) throw new Error(`the store holds ${name} ${found[name]}, right is ${totals[name]}`);
    }
  }

  async version(): Promise<string> {
    const [row] = await this.#connection.query("SELECT build()");
    return /QuestDB ([\d.]+)/.exec(String(row?.[0]))?.[1] ?? String(row?.[0]);
  }

  close(): Promise<void> {
    return this.#connection.close();
  }
}
