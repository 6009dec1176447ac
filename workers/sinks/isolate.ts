import type { StoreOutcome } from "../../engine/store/interface.js";

/** More refused rows than this are no fault of theirs but of the table. */
export const FEW_ROWS = 16;

/** A row that was refused alone: which one of its request, counted from 0, and why. */
export interface Isolated {
  readonly row: number;
  readonly why: string;
}

/** What the store says to some rows. `isOfRow`: whether a refusal may be about one of them; left out: it may. */
export type Sent = StoreOutcome & { readonly isOfRow?: boolean };

export type Isolation = { rows: Isolated[]; failure: null } | { rows: Isolated[]; failure: Sent & { ok: false } };

/**
 * Sends the rows of a request so that those which are refused by themselves are left out and all others arrive, in order:
 * by the line that the store names, and where it names none by halves. `send` takes the rows from `from` up to `to` but
 * `without`. Ends with the first answer that is no refusal, or as soon as more than `most` rows were refused.
 */
export async function isolate(
  rows: number,
  most: number,
  send: (from: number, to: number, without: ReadonlySet<number>) => Promise<Sent>,
): Promise<Isolation> {
  const found: Isolated[] = [];
  const without = new Set<number>();
  const ranges: [from: number, to: number][] = [[0, rows]];
  for (let range = ranges.pop(); range !== undefined; range = ranges.pop()) {
    const [from, to] = range;
    const candidates = countBetween(from, to, without);
    if (candidates === 0) continue;
    const outcome = await send(from, to, without);
    if (outcome.ok) continue;
    if (outcome.kind !== "refused" || outcome.isOfRow === false) return { rows: found, failure: outcome };
    const { line = 0, message } = outcome;
    const isNamed = Number.isInteger(line) && line >= 1 && line <= candidates;
    if (!isNamed && candidates > 1) {
      const middle = from + ((to - from) >> 1);
      // The first half goes first: the last row of an identity must be the last to arrive.
      ranges.push([middle, to], [from, middle]);
      continue;
    }
    if (found.length === most) return { rows: found, failure: outcome };
    const row = nthBetween(from, to, without, isNamed ? line : 1);
    found.push({ row, why: reasonIn(message) });
    without.add(row);
    ranges.push(range);
  }
  return { rows: found.sort((a, b) => a.row - b.row), failure: null };
}

/** Whether refused rows are to blame themselves, or the table that refuses them. */
export class Refusals {
  /** Rows of each table that were refused since it took one. */
  readonly #inRow = new Map<string, number>();

  /** The table took rows. */
  took(table: string): void {
    this.#inRow.delete(table);
  }

  /**
   * Of `rows` rows of a table these were refused, and the others were not. Null: they are to be kept and left out. Else what to answer, as
   * a table that takes none of some rows may be to blame for that itself; they wait for more. One that comes alone is believed, for some time.
   */
  judge(table: string, rows: number, found: readonly Isolated[]): (StoreOutcome & { ok: false }) | null {
    const inRow = (this.#inRow.get(table) ?? 0) + found.length;
    if (found.length === rows && (rows > 1 || inRow > FEW_ROWS))
      return ofTable(table, { ok: false, kind: "refused", message: `the store refused a write: ${found[0]?.why ?? ""}` });
    if (found.length > 0) this.#inRow.set(table, inRow);
    return null;
  }
}

/** More rows are refused than can be blamed themselves. */
export function ofTable(table: string, failure: Sent & { ok: false }): StoreOutcome & { ok: false } {
  if (failure.kind !== "refused" || failure.isOfRow === false) return failure;
  const advice = `so many rows of table ${table} are refused that the table or the server must be at fault: put right what is named here; all rows wait and are sent again`;
  return { ok: false, kind: "refused", message: `${failure.message} (${advice})` };
}

function countBetween(from: number, to: number, without: ReadonlySet<number>): number {
  let count = to - from;
  for (const row of without) if (row >= from && row < to) count--;
  return count;
}

/** The `n`-th row, counted from 1, of those that are not left out. */
function nthBetween(from: number, to: number, without: ReadonlySet<number>, n: number): number {
  let row = from - 1;
  for (let left = n; left > 0 && row < to; ) {
    row++;
    if (!without.has(row)) left--;
  }
  return row;
}

/** What was found, without the place in the request, which is another one when the row is sent again among others. */
function reasonIn(message: string): string {
  return message
    .replace(/\s+/g, " ")
    .replace(/^.*error in line \d+: /, "")
    .replace(/^DuckDB did not take a batch: /, "")
    .slice(0, 300);
}
