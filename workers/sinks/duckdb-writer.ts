import { type EntryViews, viewsOf } from "../../engine/base/entry-views.js";
import type { DuckDbFile, StagedRows } from "../../engine/store/duckdb.js";
import type { Names, StoreOutcome } from "../../engine/store/interface.js";
import { Batch, part, tableOf } from "./duckdb-batch.js";
import { FEW_ROWS, isolate, ofTable, Refusals } from "./isolate.js";
import { type HasRow, type KeptRow, keptRows, toldOf } from "./refused.js";

/**
 * Writes batches of entries, each in one transaction. Where that is refused because of rows, those are found by trying halves without
 * writing them, and one transaction takes all others and keeps these in `rejected`: at any instant a batch is there whole or not at all.
 */
export class DuckDbWriter {
  readonly #file: DuckDbFile;
  readonly #refusals = new Refusals();

  constructor(file: DuckDbFile) {
    this.#file = file;
  }

  /** One call at a time. */
  async write(names: Names, entries: Uint8Array): Promise<StoreOutcome> {
    const outcome = await this.#write(names, viewsOf(entries));
    return outcome.ok ? outcome : { ok: false, kind: outcome.kind, message: outcome.message };
  }

  async #write(names: Names, views: EntryViews): Promise<StoreOutcome> {
    const batch = new Batch(names);
    batch.takeAll(views);
    const tables = batch.tables();
    const outcome = await this.#file.merge(tables);
    if (outcome.ok) this.#took(tables);
    else if (outcome.isOfRow) return await this.#isolate(views, tables, names);
    return outcome;
  }

  async #isolate(views: EntryViews, tables: readonly StagedRows[], names: Names): Promise<StoreOutcome> {
    const kept: KeptRow[] = [];
    const left: StagedRows[] = [];
    for (const staged of tables) {
      const { table, rows } = staged;
      const found = await isolate(rows, FEW_ROWS - kept.length, (from, to, without) =>
        this.#file.wouldTake(part(staged, from, to, without)),
      );
      if (found.failure !== null) return ofTable(table, found.failure);
      const failure = this.#refusals.judge(table, rows, found.rows);
      if (failure !== null) return failure;
      const hasRow: HasRow = (of, at) => tableOf(of, at) === table;
      kept.push(...keptRows([views], table, hasRow, found.rows, names));
      left.push(part(staged, 0, rows, new Set(found.rows.map(({ row }) => row))));
    }
    const aside = new Batch(names);
    for (const row of kept) aside.keep(row);
    const outcome = await this.#file.merge([...left, aside.tables().at(-1)!]);
    if (!outcome.ok) return ofTable("rejected", outcome);
    this.#took(left);
    return kept.length === 0 ? { ok: true } : { ok: true, refused: toldOf(kept) };
  }

  #took(tables: readonly StagedRows[]): void {
    for (const { table, rows } of tables) if (rows > 0) this.#refusals.took(table);
  }
}
