import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { MeterstormError, messageOf } from "../base/errors.js";
import type { Config } from "../config/schema.js";
import { DuckDbFile } from "../store/duckdb.js";
import { DuckDbStore } from "../store/duckdb-reads.js";
import type { Range, ReadingRow, Store } from "../store/interface.js";
import { QuestDbStore } from "../store/questdb.js";
import { QuestDbConnection } from "../store/questdb-http.js";
import { sqlText } from "../store/sql.js";
import type { DeclaredExchange, History } from "./history.js";

type Cell = string | number | boolean | null;

/** What the two stores do not have in common when they are asked for ids and exchanges. */
interface Dialect {
  query(sql: string): Promise<Cell[][]>;
  /** Epoch milliseconds of `ts`. */
  ts: string;
  /** A column of text, read with one character before it, which the reader takes off again. */
  text(name: string): string;
  close(): Promise<void>;
}

/**
 * The history in the store that a configuration names.
 * @throws MeterstormError `history_missing`: the embedded store has no file there; `store_unavailable`: an engine has it open
 */
export async function openStoreHistory(config: Pick<Config, "store" | "dataDir">): Promise<History> {
  if (config.store.type === "questdb") {
    const { http, username, password } = config.store;
    const address = { http, username, password };
    const connection = new QuestDbConnection(address);
    return new StoreHistory(new QuestDbStore(address), {
      query: (sql) => connection.query(sql),
      ts: 'cast("ts" AS LONG) / 1000.0',
      text: (name) => `concat('.', ${name})`,
      close: () => connection.close(),
    });
  }
  const path = join(config.dataDir, "meterstorm.duckdb");
  if (!existsSync(path)) {
    const message = `${path} does not exist: no engine has stored anything in this dataDir. Start in the folder where the engine runs, or ask a running engine with --url`;
    throw new MeterstormError("history_missing", message);
  }
  const file = await openFile(path);
  return new StoreHistory(new DuckDbStore(file, randomUUID), {
    query: (sql) => file.query(sql, []) as Promise<Cell[][]>,
    ts: 'epoch_ms("ts")::DOUBLE',
    text: (name) => `'.' || ${name}`,
    close: () => Promise.resolve(),
  });
}

async function openFile(path: string): Promise<DuckDbFile> {
  try {
    return await DuckDbFile.open(path, { readOnly: true });
  } catch (error) {
    // DuckDB locks the file for as long as an engine runs, and names the process that has it.
    const holder = /Could not set lock on file.*?\(PID (\d+)\)/s.exec(messageOf(error))?.[1];
    const message =
      holder === undefined
        ? `${messageOf(error)} If an engine runs on it, ask that one instead, with --url and --token`
        : `an engine, the process ${holder}, has ${path} open and lets nobody else read it; ask that engine, with --url and --token`;
    throw new MeterstormError("store_unavailable", message, { cause: error });
  }
}

class StoreHistory implements History {
  readonly #store: Store;
  readonly #dialect: Dialect;
  readonly #exchanges = new Map<string, Promise<Map<string, DeclaredExchange[]>>>();

  constructor(store: Store, dialect: Dialect) {
    this.#store = store;
    this.#dialect = dialect;
  }

  async meters(tenant: string): Promise<string[]> {
    const meter = this.#dialect.text('"meter"');
    const rows = await this.#dialect.query(`SELECT DISTINCT ${meter} FROM "readings" WHERE "tenant" = ${sqlText(tenant)}`);
    return rows.map(([id]) => String(id).slice(1)).sort((a, b) => (a < b ? -1 : 1));
  }

  readings(tenant: string, meter: string, range: Range, limit: number): Promise<ReadingRow[]> {
    return this.#store.readings(tenant, meter, range, limit);
  }

  async exchanges(tenant: string, meter: string): Promise<DeclaredExchange[]> {
    let all = this.#exchanges.get(tenant);
    if (all === undefined) {
      all = this.#allExchanges(tenant);
      this.#exchanges.set(tenant, all);
    }
    return (await all).get(meter) ?? [];
  }

  /** They are rare: one question for all of a client's. */
  async #allExchanges(tenant: string): Promise<Map<string, DeclaredExchange[]>> {
    const { ts, text, query } = this.#dialect;
    const columns = `${text('"meter"')}, ${ts}, "final", "start", cast("rev" AS DOUBLE)`;
    const rows = await query(`SELECT ${columns} FROM "exchanges" WHERE "tenant" = ${sqlText(tenant)} ORDER BY "ts"`);
    const found = new Map<string, DeclaredExchange[]>();
    for (const [meter, at, final, start, rev] of rows) {
      const id = String(meter).slice(1);
      const list = found.get(id) ?? [];
      found.set(id, list);
      list.push({ ts: Number(at), final: final as number | null, start: start as number | null, rev: Number(rev) });
    }
    return found;
  }

  async close(): Promise<void> {
    await this.#dialect.close();
    await this.#store.close();
  }
}
