import { messageOf } from "../base/errors.js";
import { TABLES } from "./schema.js";

/** A StoreOutcome; `isOfRow`: a refusal may be about one row of the batch. Otherwise any row would meet with it. */
export type MergeOutcome =
  | { readonly ok: true }
  | { readonly ok: false; readonly kind: "refused" | "unavailable"; readonly message: string; readonly isOfRow: boolean };

/** What the rows or the tables are to blame for would fail again; the rest, such as a full disk, may pass. */
export function failureOf(error: unknown): MergeOutcome {
  const [what = ""] = messageOf(error).split("\n\nLINE ");
  const message = `DuckDB did not take a batch: ${what}`;
  if (/^(Constraint|Conversion|Out of Range) /.test(what))
    return { ok: false, kind: "refused", message, isOfRow: !isOfForeignColumn(what) };
  if (/^(Binder|Catalog|Invalid Input|Parser) /.test(what)) return { ok: false, kind: "refused", message, isOfRow: false };
  return { ok: false, kind: "unavailable", message, isOfRow: false };
}

/** A column that somebody added, which must not be NULL, and which no row of ours has a value for. */
function isOfForeignColumn(message: string): boolean {
  const [, table, column] = /NOT NULL constraint failed: (\w+)\.(\w+)/.exec(message) ?? [];
  return TABLES.some(({ name, columns }) => name === table && columns.every((each) => each.name !== column));
}
