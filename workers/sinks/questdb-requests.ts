import { ExchangeInfo, Kind } from "../../engine/base/entries.js";
import { type EntryViews, entryBytes } from "../../engine/base/entry-views.js";
import type { Names } from "../../engine/store/interface.js";
import { officialBuffer, type RowBuffer } from "../../engine/store/questdb-client.js";
import type { QuestDbAddress } from "../../engine/store/questdb-http.js";
import type { TableName } from "../../engine/store/schema.js";
import { encodePeriod, encodeReading, IlpBuffer, SeriesNames } from "./ilp.js";
import { alertRow, exchangeRow, rejectedRow } from "./questdb-rows.js";

/** The requests that a batch makes, by number; each holds rows of one table in journal order. */
export const REQUESTS: readonly { readonly table: TableName; readonly connection: 0 | 1 | 2 }[] = [
  { table: "readings", connection: 0 },
  { table: "readings", connection: 1 },
  { table: "consumption", connection: 0 },
  { table: "consumption", connection: 1 },
  { table: "alerts", connection: 2 },
  { table: "exchanges", connection: 2 },
  { table: "rejected", connection: 2 },
];
export const REJECTED = 6;

/** The request that the entry at byte `at` has a row in; −1: none. */
export function requestOf({ u32 }: EntryViews, at: number): number {
  const head = u32[at >> 2]!;
  const half = u32[(at >> 2) + 1]! & 1;
  switch (head & 0xff) {
    case Kind.READING:
    case Kind.REWRITE:
      return half;
    case Kind.PERIOD:
      return 2 + half;
    case Kind.ALERT:
      return 4;
    case Kind.EXCHANGE:
      return ((head >>> 8) & ExchangeInfo.NO_ROW) === 0 ? 5 : -1;
    case Kind.REJECT:
      return REJECTED;
    default:
      return -1;
  }
}

/** Rows as line protocol, a buffer for each request; what `body` gives is valid until the next row of that request. */
export class QuestDbRequests {
  readonly #names: Names;
  readonly #series: SeriesNames;
  readonly #readings = [new IlpBuffer(1 << 20), new IlpBuffer(1 << 20)] as const;
  readonly #consumption = [new IlpBuffer(), new IlpBuffer()] as const;
  readonly #alerts: RowBuffer;
  readonly #exchanges: RowBuffer;
  readonly rejected: RowBuffer;

  private constructor(names: Names, alerts: RowBuffer, exchanges: RowBuffer, rejected: RowBuffer) {
    this.#names = names;
    this.#series = new SeriesNames(names);
    this.#alerts = alerts;
    this.#exchanges = exchanges;
    this.rejected = rejected;
  }

  /** Throws MeterstormError `store_config` on an address no client takes. */
  static async open(address: QuestDbAddress, names: Names): Promise<QuestDbRequests> {
    const [alerts, exchanges, rejected] = [
      await officialBuffer(address),
      await officialBuffer(address),
      await officialBuffer(address),
    ];
    return new QuestDbRequests(names, alerts, exchanges, rejected);
  }

  /** Every row of the entries into its request, in place of what was there. */
  encode(chunks: readonly EntryViews[]): void {
    for (let request = 0; request < REQUESTS.length; request++) this.reset(request);
    for (const views of chunks) {
      for (let at = 0; at < views.u8.length; at += entryBytes(views, at)) this.row(views, at);
    }
  }

  reset(request: number): void {
    this.#buffer(request).reset();
  }

  body(request: number): Uint8Array {
    const buffer = this.#buffer(request);
    return buffer instanceof IlpBuffer ? buffer.written() : (buffer.toBufferNew() ?? new Uint8Array(0));
  }

  #buffer(request: number): IlpBuffer | RowBuffer {
    const few = [this.#alerts, this.#exchanges, this.rejected];
    return request < 2 ? this.#readings[request]! : request < 4 ? this.#consumption[request - 2]! : few[request - 4]!;
  }

  /** Adds the row of the entry at byte `at`, if it has one. */
  row(views: EntryViews, at: number): void {
    const { u32, f64 } = views;
    const u = at >> 2;
    const f = at >> 3;
    const head = u32[u]!;
    const meter = u32[u + 1]!;
    switch (head & 0xff) {
      case Kind.READING:
      case Kind.REWRITE:
        encodeReading(
          this.#readings[(meter & 1) as 0 | 1],
          this.#series,
          meter,
          f64[f + 1]!,
          f64[f + 2]!,
          f64[f + 3]!,
          u32[u + 8]!,
          head >>> 8,
        );
        break;
      case Kind.PERIOD:
        encodePeriod(
          this.#consumption[(meter & 1) as 0 | 1],
          this.#series,
          meter,
          u32[u + 13]!,
          f64[f + 1]!,
          f64[f + 2]!,
          f64[f + 3]!,
          f64[f + 4]!,
          f64[f + 5]!,
          u32[u + 12]!,
          head >>> 8,
        );
        break;
      case Kind.ALERT:
        alertRow(this.#alerts, this.#names, views, at);
        break;
      case Kind.EXCHANGE:
        exchangeRow(this.#exchanges, this.#names, views, at);
        break;
      case Kind.REJECT:
        rejectedRow(this.rejected, this.#names, views, at);
        break;
      default:
    }
  }
}
