import { MeterstormError } from "../base/errors.js";

/**
 * The tables, described once: both stores are created from this and checked against it. `ts` is
 * always the first column, UTC, and the designated timestamp where a store has one.
 *
 * - `name`    few distinct texts that are often compared (QuestDB: SYMBOL)
 * - `text`    any text (VARCHAR)
 * - `double`, `int` (32 bits), `long` (64 bits): NULL where nothing is known
 * - `time`    microseconds since the epoch
 */
export type ColumnType = "time" | "name" | "text" | "double" | "int" | "long";

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
}

export interface Table {
  readonly name: TableName;
  readonly columns: readonly Column[];
  /** A row is replaced by a later one with the same values in these columns. */
  readonly identity: readonly string[];
  readonly partition: "DAY" | "MONTH";
}

export const TABLE_NAMES = ["readings", "exchanges", "consumption", "alerts", "rejected"] as const;
export type TableName = (typeof TABLE_NAMES)[number];

function table(
  name: TableName,
  partition: "DAY" | "MONTH",
  columns: Record<string, ColumnType>,
  identity: readonly string[],
): Table {
  return { name, partition, identity, columns: Object.entries(columns).map(([column, type]) => ({ name: column, type })) };
}

export const TABLES: readonly Table[] = [
  table(
    "readings",
    "DAY",
    { ts: "time", tenant: "name", meter: "name", value: "double", rev: "long", delta: "double", flags: "int" },
    ["ts", "tenant", "meter"],
  ),
  table("exchanges", "MONTH", { ts: "time", tenant: "name", meter: "name", final: "double", start: "double", rev: "long" }, [
    "ts",
    "tenant",
    "meter",
  ]),
  table(
    "consumption",
    "DAY",
    {
      ...{ ts: "time", tenant: "name", meter: "name", period: "name", value: "double", min: "double", max: "double" },
      ...{ coverage: "double", readings: "int", flags: "int" },
    },
    ["ts", "tenant", "meter", "period"],
  ),
  table(
    "alerts",
    "MONTH",
    {
      ...{ ts: "time", tenant: "name", meter: "name", rule: "name", incident: "text", state: "name", severity: "name" },
      ...{ value: "double", threshold: "double" },
    },
    ["ts", "tenant", "meter", "rule", "incident", "state", "severity"],
  ),
  table(
    "rejected",
    "MONTH",
    {
      ...{ ts: "time", tenant: "name", datalogger: "text", seq: "long", index: "long", meter: "text", code: "name" },
      ...{ raw: "text" },
    },
    ["tenant", "datalogger", "seq", "index", "code", "ts"],
  ),
];

export function tableNamed(name: TableName): Table {
  const found = TABLES.find((candidate) => candidate.name === name);
  if (found === undefined) throw new MeterstormError("store_schema", `no table ${name} is described`);
  return found;
}

/** A column as it was found in a store, with the store's own word for its type. */
export interface FoundColumn {
  readonly name: string;
  readonly type: string;
  readonly inIdentity: boolean;
}

/**
 * Throws MeterstormError `store_schema` unless a table that was found holds every column with its
 * type and identifies rows by the same columns. More columns than ours are fine: they are somebody's own.
 */
export function assertFits(
  wanted: Table,
  found: readonly FoundColumn[],
  typeName: (type: ColumnType) => string,
  remedy: string,
): void {
  const faults: string[] = [];
  for (const column of wanted.columns) {
    const existing = found.find((candidate) => candidate.name === column.name);
    const needed = typeName(column.type);
    if (existing === undefined) faults.push(`column ${column.name} is missing, needed is ${needed}`);
    else if (existing.type !== needed) faults.push(`column ${column.name} is ${existing.type}, needed is ${needed}`);
  }
  const identity = found.filter((column) => column.inIdentity).map((column) => column.name);
  if (identity.toSorted().join() !== wanted.identity.toSorted().join()) {
    const was = identity.length === 0 ? "nothing" : `(${identity.join(", ")})`;
    faults.push(`rows are identified by ${was}, needed is (${wanted.identity.join(", ")})`);
  }
  if (faults.length > 0) throw misfit(wanted.name, faults, remedy);
}

/** The error for a table that exists in another form than the engine needs. */
export function misfit(name: TableName, faults: readonly string[], remedy: string): MeterstormError {
  return new MeterstormError("store_schema", `table ${name} does not fit: ${faults.join("; ")}. ${remedy}`);
}
