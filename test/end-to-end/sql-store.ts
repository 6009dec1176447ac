import { join } from "node:path";
import type { TestContext } from "node:test";
import { DuckDbFile } from "../../engine/store/duckdb.js";
import type { ConfigFile } from "../support/engine.js";
import { questDbSkip, startQuestDb } from "../support/questdb.js";
import { until } from "../support/servers.js";
import { type Dialect, DUCKDB, QUESTDB } from "./alerts-sql.js";
import { questDbRows } from "./stored-rows.js";

export type StoreType = "duckdb" | "questdb";
export type Cell = string | number | null;
export type Query = (sql: string) => Promise<Cell[][]>;

const APPLIED_WITHIN_MS = 60_000;

/** Each store, and why it cannot be tried here. */
export const SQL_STORES: readonly { type: StoreType; skip: string | false }[] = [
  { type: "duckdb", skip: false },
  { type: "questdb", skip: questDbSkip() },
];

/** A store that engines write to, and that answers SQL over what they stored once they have stopped. */
export interface SqlStore {
  /** What a configuration says of it. */
  readonly config: ConfigFile;
  readonly dialect: Dialect;
  /** Asks after everything that the stopped engine with this data directory has written. */
  asked<T>(dataDir: string, work: (query: Query) => Promise<T>): Promise<T>;
}

/** QuestDB is a server of the test's own, gone when it ends; engines share it, each with clients of its own. */
export async function openSqlStore(t: TestContext, type: StoreType): Promise<SqlStore> {
  if (type === "duckdb") return { config: { type }, dialect: DUCKDB, asked: askedOfDuckDb };
  const { httpUrl, kill } = await startQuestDb();
  t.after(kill);
  return {
    config: { type, http: httpUrl },
    dialect: QUESTDB,
    async asked(_dataDir, work) {
      await until("QuestDB has applied everything", APPLIED_WITHIN_MS, async () => {
        const [row] = await questDbRows(httpUrl, "SELECT count() FROM wal_tables() WHERE writerTxn < sequencerTxn");
        return Number(row?.[0]) === 0;
      });
      return await work((sql) => questDbRows(httpUrl, sql));
    },
  };
}

async function askedOfDuckDb<T>(dataDir: string, work: (query: Query) => Promise<T>): Promise<T> {
  const file = await DuckDbFile.open(join(dataDir, "meterstorm.duckdb"));
  try {
    return await work((sql) => file.query(sql, []) as unknown as Promise<Cell[][]>);
  } finally {
    await file.close();
  }
}
