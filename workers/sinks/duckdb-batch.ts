import { ExchangeInfo, Kind, PERIODS } from "../../engine/base/entries.js";
import { type EntryViews, entryBytes } from "../../engine/base/entry-views.js";
import type { StagedRows } from "../../engine/store/duckdb.js";
import type { Names } from "../../engine/store/interface.js";
import { type TableName, tableNamed } from "../../engine/store/schema.js";
import { incidentText, rejectTexts, severityOf } from "./fields.js";
import { type KeptRow, ROW_REFUSED } from "./refused.js";

type Cell = string | number | null;

/** One table's rows, column by column. */
class Staged implements StagedRows {
  readonly table: TableName;
  readonly columns: Cell[][];
  rows = 0;

  constructor(table: TableName) {
    this.table = table;
    this.columns = tableNamed(table).columns.map(() => []);
  }
}

/** Some rows of a table: from `from` up to `to`, but `without`. */
export function part(staged: StagedRows, from: number, to: number, without: ReadonlySet<number>): StagedRows {
  const rows: number[] = [];
  for (let row = from; row < to; row++) if (!without.has(row)) rows.push(row);
  return { table: staged.table, rows: rows.length, columns: staged.columns.map((cells) => rows.map((row) => cells[row]!)) };
}

/** The table in which the entry at byte `at` has a row; null: none. */
export function tableOf({ u32 }: EntryViews, at: number): TableName | null {
  const head = u32[at >> 2]!;
  switch (head & 0xff) {
    case Kind.READING:
    case Kind.REWRITE:
      return "readings";
    case Kind.PERIOD:
      return "consumption";
    case Kind.ALERT:
      return "alerts";
    case Kind.EXCHANGE:
      return ((head >>> 8) & ExchangeInfo.NO_ROW) === 0 ? "exchanges" : null;
    case Kind.REJECT:
      return "rejected";
    default:
      return null;
  }
}

/** Entries to rows, which are in the order of the entries; that of the cells is the order of the schema's columns. */
export class Batch {
  readonly #names: Names;
  readonly #readings = new Staged("readings");
  readonly #consumption = new Staged("consumption");
  readonly #exchanges = new Staged("exchanges");
  readonly #alerts = new Staged("alerts");
  readonly #rejected = new Staged("rejected");

  constructor(names: Names) {
    this.#names = names;
  }

  /** `rejected` is the last one. */
  tables(): StagedRows[] {
    return [this.#readings, this.#consumption, this.#exchanges, this.#alerts, this.#rejected];
  }

  takeAll(views: EntryViews): void {
    for (let at = 0; at < views.u8.length; at += entryBytes(views, at)) this.#take(views, at);
  }

  #take(views: EntryViews, at: number): void {
    switch (tableOf(views, at)) {
      case "readings":
        this.#reading(views, at);
        break;
      case "consumption":
        this.#period(views, at);
        break;
      case "alerts":
        this.#alert(views, at);
        break;
      case "exchanges":
        this.#exchange(views, at);
        break;
      case "rejected":
        this.#reject(views, at);
        break;
      default:
    }
  }

  /** Adds a row that was refused to `rejected`. */
  keep(row: KeptRow): void {
    const { columns } = this.#rejected;
    columns[0]!.push(Math.floor(row.arrivalMs));
    columns[1]!.push(row.tenant);
    columns[2]!.push(row.datalogger);
    this.#rejected.rows++;
    this.#finish(this.#rejected, [row.seq, row.index, row.meter, ROW_REFUSED, row.raw]);
  }

  #reading({ u32, f64 }: EntryViews, at: number): void {
    const u = at >> 2;
    const f = at >> 3;
    const { columns } = this.#readings;
    this.#begin(this.#readings, f64[f + 1]!, u32[u + 1]!);
    columns[3]!.push(f64[f + 2]!);
    columns[4]!.push(u32[u + 8]!);
    columns[5]!.push(f64[f + 3]!);
    columns[6]!.push(u32[u]! >>> 8);
  }

  #period({ u32, f64 }: EntryViews, at: number): void {
    const u = at >> 2;
    const f = at >> 3;
    const { columns } = this.#consumption;
    this.#begin(this.#consumption, f64[f + 1]!, u32[u + 1]!);
    columns[3]!.push(PERIODS[u32[u + 13]!]!);
    columns[4]!.push(f64[f + 2]!);
    columns[5]!.push(f64[f + 3]!);
    columns[6]!.push(f64[f + 4]!);
    columns[7]!.push(f64[f + 5]!);
    columns[8]!.push(u32[u + 12]!);
    columns[9]!.push(u32[u]! >>> 8);
  }

  #exchange({ u32, f64 }: EntryViews, at: number): void {
    const u = at >> 2;
    const f = at >> 3;
    const withdrawn = ((u32[u]! >>> 8) & ExchangeInfo.WITHDRAWN) !== 0;
    const { columns } = this.#exchanges;
    this.#begin(this.#exchanges, f64[f + 1]!, u32[u + 1]!);
    columns[3]!.push(withdrawn ? null : f64[f + 2]!);
    columns[4]!.push(withdrawn ? null : f64[f + 3]!);
    columns[5]!.push(u32[u + 8]!);
  }

  #alert(views: EntryViews, at: number): void {
    const u = at >> 2;
    const f = at >> 3;
    const info = views.u32[u]! >>> 8;
    this.#begin(this.#alerts, views.f64[f + 1]!, views.u32[u + 1]!);
    const state = (info & 1) === 1 ? "firing" : "resolved";
    const rest = [this.#names.rule(views.u32[u + 8]!), incidentText(views, at), state, severityOf(info)];
    this.#finish(this.#alerts, [...rest, views.f64[f + 2]!, views.f64[f + 3]!]);
  }

  #reject(views: EntryViews, at: number): void {
    const u = at >> 2;
    const f = at >> 3;
    const { tenant, id } = this.#names.datalogger(views.u32[u + 1]!);
    const { meter, raw, code } = rejectTexts(views, at);
    const { columns } = this.#rejected;
    columns[0]!.push(Math.floor(views.f64[f + 1]!));
    columns[1]!.push(tenant);
    columns[2]!.push(id);
    this.#rejected.rows++;
    this.#finish(this.#rejected, [views.f64[f + 2]!, views.u32[u + 6]!, meter, code, raw]);
  }

  /** ts, tenant and meter, which most tables begin with. */
  #begin(staged: Staged, ts: number, meter: number): void {
    staged.columns[0]!.push(ts);
    staged.columns[1]!.push(this.#names.tenantOfMeter(meter));
    staged.columns[2]!.push(this.#names.meter(meter));
    staged.rows++;
  }

  #finish(staged: Staged, cells: readonly Cell[]): void {
    for (let i = 0; i < cells.length; i++) staged.columns[3 + i]!.push(cells[i]!);
  }
}
