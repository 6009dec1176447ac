import { join } from "node:path";
import type { PeriodName } from "../../engine/base/entries.js";
import { DuckDbFile } from "../../engine/store/duckdb.js";
import type { ConsumptionRow, ReadingRow } from "../../engine/store/interface.js";
import type { ExchangeRow } from "../reference/meter-rows.js";
import type { StoredRows } from "./shown-rows.js";

type Cell = string | number | null;
type Query = (sql: string) => Promise<Cell[][]>;

interface Rows {
  readings: ReadingRow[];
  consumption: ConsumptionRow[];
  exchanges: ExchangeRow[];
}

const READINGS = ["value", "rev", "delta", "flags"];
const CONSUMPTION = ["value", "min", "max", "coverage", "readings", "flags"];
const EXCHANGES = ["final", "start", "rev"];

/** Everything that DuckDB's file of a stopped engine holds of a client's meters. */
export async function storedInDuckDb(dataDir: string, tenant: string): Promise<StoredRows> {
  const file = await DuckDbFile.open(join(dataDir, "meterstorm.duckdb"));
  try {
    const number = (name: string) => `"${name}"::DOUBLE`;
    return await stored(tenant, 'epoch_ms("ts")::DOUBLE', number, (sql) => file.query(sql, []) as Promise<Cell[][]>);
  } finally {
    await file.close();
  }
}

/** Everything that QuestDB shows of a client's meters, or of those whose ids are like this. */
export async function storedInQuestDb(httpUrl: string, tenant: string, like = "%"): Promise<StoredRows> {
  return await stored(
    `${tenant}' AND "meter" LIKE '${like}`,
    'cast("ts" AS LONG) / 1000',
    (name) => `"${name}"`,
    (sql) => questDbRows(httpUrl, sql),
  );
}

/** What QuestDB answers to a query. */
export async function questDbRows(httpUrl: string, sql: string): Promise<Cell[][]> {
  const response = await fetch(`${httpUrl}/exec?query=${encodeURIComponent(sql)}`, { signal: AbortSignal.timeout(30_000) });
  const answer = (await response.json()) as { dataset?: Cell[][]; error?: string };
  if (answer.dataset === undefined) throw new Error(`${sql}: ${answer.error}`);
  return answer.dataset;
}

async function stored(tenant: string, ts: string, number: (name: string) => string, query: Query): Promise<StoredRows> {
  const meters = new Map<string, Rows>();
  const of = (meter: Cell | undefined) => {
    const rows = meters.get(String(meter)) ?? { readings: [], consumption: [], exchanges: [] };
    meters.set(String(meter), rows);
    return rows;
  };
  const select = (table: string, texts: string, numbers: readonly string[]) =>
    query(`SELECT ${texts}, ${[ts, ...numbers.map(number)].join(", ")} FROM "${table}" WHERE "tenant" = '${tenant}'`);
  for (const [meter, ...row] of await select("readings", '"meter"', READINGS)) {
    const [at, value, rev, delta, flags] = row as number[];
    of(meter).readings.push({ ts: at!, value: value!, rev: rev!, delta: delta!, flags: flags! });
  }
  for (const [meter, period, ...row] of await select("consumption", '"meter", "period"', CONSUMPTION)) {
    const [at, value, min, max, coverage, readings, flags] = row as number[];
    const amounts = { value: value!, min: min!, max: max! };
    of(meter).consumption.push({
      ...{ ts: at!, period: period as PeriodName, ...amounts, coverage: coverage!, readings: readings!, flags: flags! },
    });
  }
  for (const [meter, ...row] of await select("exchanges", '"meter"', EXCHANGES)) {
    const [at, final, start, rev] = row as number[];
    of(meter).exchanges.push({ ts: at!, final: final!, start: start!, rev: rev! });
  }
  return meters;
}
