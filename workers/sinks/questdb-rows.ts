import { ExchangeInfo } from "../../engine/base/entries.js";
import type { EntryViews } from "../../engine/base/entry-views.js";
import type { Names } from "../../engine/store/interface.js";
import type { RowBuffer } from "../../engine/store/questdb-client.js";
import { incidentText, rejectTexts, severityOf } from "./fields.js";
import { type KeptRow, ROW_REFUSED } from "./refused.js";

/** Rows of the tables that get few of them, composed by the official client's buffer. */

/** ALERT at byte `at`. */
export function alertRow(out: RowBuffer, names: Names, views: EntryViews, at: number): void {
  const u = at >> 2;
  const f = at >> 3;
  const info = views.u32[u]! >>> 8;
  const meter = views.u32[u + 1]!;
  const value = views.f64[f + 2]!;
  out
    .table("alerts")
    .symbol("tenant", names.tenantOfMeter(meter))
    .symbol("meter", names.meter(meter))
    .symbol("rule", names.rule(views.u32[u + 8]!))
    .symbol("state", (info & 1) === 1 ? "firing" : "resolved")
    .symbol("severity", severityOf(info))
    .stringColumn("incident", incidentText(views, at))
    .floatColumn("threshold", views.f64[f + 3]!);
  if (!Number.isNaN(value)) out.floatColumn("value", value);
  out.at(views.f64[f + 1]!, "ms");
}

/** EXCHANGE at byte `at`, unless it is only an input; a withdrawn one has neither final nor start. */
export function exchangeRow(out: RowBuffer, names: Names, views: EntryViews, at: number): void {
  const u = at >> 2;
  const f = at >> 3;
  const info = views.u32[u]! >>> 8;
  if ((info & ExchangeInfo.NO_ROW) !== 0) return;
  const withdrawn = (info & ExchangeInfo.WITHDRAWN) !== 0;
  const meter = views.u32[u + 1]!;
  out
    .table("exchanges")
    .symbol("tenant", names.tenantOfMeter(meter))
    .symbol("meter", names.meter(meter))
    .intColumn("rev", views.u32[u + 8]!);
  if (!withdrawn) out.floatColumn("final", views.f64[f + 2]!).floatColumn("start", views.f64[f + 3]!);
  out.at(views.f64[f + 1]!, "ms");
}

/** REJECT at byte `at`. */
export function rejectedRow(out: RowBuffer, names: Names, views: EntryViews, at: number): void {
  const u = at >> 2;
  const f = at >> 3;
  const { tenant, id } = names.datalogger(views.u32[u + 1]!);
  const { meter, raw, code } = rejectTexts(views, at);
  out
    .table("rejected")
    .symbol("tenant", tenant)
    .symbol("code", code)
    .stringColumn("datalogger", id)
    .intColumn("seq", views.f64[f + 2]!)
    .intColumn("index", views.u32[u + 6]!)
    .stringColumn("meter", meter)
    .stringColumn("raw", raw)
    .at(Math.floor(views.f64[f + 1]!), "ms");
}

/**
 * A row that was refused, as it is kept. `plainly`: without the names, which may be what the store refuses; they are in `raw`.
 */
export function keptRow(out: RowBuffer, row: KeptRow, plainly: boolean): void {
  out
    .table("rejected")
    .symbol("tenant", row.tenant)
    .symbol("code", ROW_REFUSED)
    .stringColumn("datalogger", plainly ? "" : row.datalogger)
    .intColumn("seq", row.seq)
    .intColumn("index", row.index)
    .stringColumn("meter", plainly ? "" : row.meter)
    .stringColumn("raw", row.raw)
    .at(Math.floor(row.arrivalMs), "ms");
}
