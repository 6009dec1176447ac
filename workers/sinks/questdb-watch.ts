import type { Clock } from "../../engine/base/clock.js";
import { MeterstormError, messageOf } from "../../engine/base/errors.js";
import type { StoreOutcome } from "../../engine/store/interface.js";
import type { QuestDbConnection } from "../../engine/store/questdb-http.js";
import { ensureTables, faultOf, lossBetween, misfitOf, type TableState, tableStates } from "../../engine/store/questdb-tables.js";
import type { StoreMemory } from "./store-memory.js";

/** A server that hangs is given up sooner than for a write. */
const LOOK_MS = 5_000;

export interface WatchOptions {
  readonly clock: Clock;
  readonly connection: QuestDbConnection;
  /** Of what the store was like when it had everything; null: a store that lost rows between two runs is not found out. */
  readonly memory: StoreMemory | null;
  /** How long the server may show nothing of what it accepted before that is told; milliseconds. */
  readonly stuckMs: number;
}

/** What QuestDB had accepted when so many batches had been given to it. */
interface Mark {
  readonly batches: number;
  readonly accepted: ReadonlyMap<string, number>;
}

/** What is remembered of the store from one run to the next: nothing that changes while all is well. */
interface Remembered {
  readonly boot: string;
  readonly ids: Readonly<Record<string, string>>;
}

/**
 * Whether a 204 is worth something. It is while the tables are the same as before, have their keys and columns and are not
 * suspended; and what it stood for can be read once the server has applied as many transactions as it had accepted then.
 */
export class TableWatch {
  readonly #options: WatchOptions;
  #states: TableState[] | null = null;
  /** A fault that may have spoilt rows which were taken while it lasted; empty: none. */
  #harm = "";
  #batches = 0;
  #shown = 0;
  #marks: Mark[] = [];
  #movedMs = 0;
  #remembered = "";
  /** When all was well last, by the monotonic clock; milliseconds. */
  lastMs = Number.NEGATIVE_INFINITY;

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** The tables as they were when all was well last; null before the first look. */
  get states(): readonly TableState[] | null {
    return this.#states;
  }

  /** One more batch was taken, and nobody looks at once. */
  taken(): StoreOutcome {
    this.#batches++;
    return this.#well("");
  }

  /**
   * Looks at the tables; `batches`: how many were taken since the last call of any kind, 0 or 1. Tables that are missing are created.
   * What is not well makes all batches that were not shown yet be sent again.
   */
  async look(batches: number): Promise<StoreOutcome> {
    try {
      return await this.#look(batches);
    } catch (error) {
      if (!(error instanceof MeterstormError)) throw error;
      if (error.code === "store_schema") return this.#trouble("refused", messageOf(error), true);
      return { ok: false, kind: "unavailable", message: messageOf(error) };
    }
  }

  /** Whether the server answers now. */
  async answers(): Promise<boolean> {
    try {
      await this.#options.connection.query("SELECT 1", LOOK_MS);
      return true;
    } catch (error) {
      if (error instanceof MeterstormError) return false;
      throw error;
    }
  }

  /** What a start may take for granted from now on. Throws what the disk says. */
  remember(): void {
    const { memory } = this.#options;
    if (memory === null || this.#states === null) return;
    const boot = this.#states[0]?.boot ?? "";
    const ids = Object.fromEntries(this.#states.map(({ name, id }) => [name, id]));
    const text = JSON.stringify({ boot, ids } satisfies Remembered);
    if (text !== this.#remembered) memory.write(text);
    this.#remembered = text;
  }

  async #look(batches: number): Promise<StoreOutcome> {
    const { connection, clock } = this.#options;
    let states = await tableStates(connection, LOOK_MS);
    const before = this.#states ?? this.#recall();
    const loss = before === null ? null : lossBetween(before, states);
    if (loss !== null) {
      await ensureTables(connection);
      states = await tableStates(connection, LOOK_MS);
    }
    const fault = faultOf(states);
    if (fault !== null)
      return this.#trouble(
        "unavailable",
        fault,
        states.some(({ dedup }) => !dedup),
      );
    const misfit = await misfitOf(connection);
    if (misfit !== null) return this.#trouble("refused", misfit, true);
    const harm = loss ?? this.#harm;
    this.#harm = "";
    const moved = this.#states === null || states.some(({ writerTxn }, i) => writerTxn !== this.#states?.[i]?.writerTxn);
    this.#states = states;
    this.lastMs = clock.monotonicMs();
    if (harm !== "") {
      this.#forget();
      return {
        ok: false,
        kind: "unavailable",
        message: `the store may have lost rows, all that are kept are sent again: ${harm}`,
        again: "all",
      };
    }
    this.#batches += batches;
    if (moved || this.#shown === this.#batches - batches) this.#movedMs = this.lastMs;
    this.#mark(states);
    const stillMs = this.lastMs - this.#movedMs;
    if (this.#shown === this.#batches || stillMs < this.#options.stuckMs) return this.#well("");
    return this.#well(
      `QuestDB takes rows and has shown none of them for ${Math.round(stillMs / 1000)} s: look at wal_tables() and at its log`,
    );
  }

  #mark(states: readonly TableState[]): void {
    if (this.#batches > (this.#marks.at(-1)?.batches ?? this.#shown))
      this.#marks.push({
        batches: this.#batches,
        accepted: new Map(states.map(({ name, sequencerTxn }) => [name, sequencerTxn])),
      });
    const isShown = ({ accepted }: Mark) => states.every(({ name, writerTxn }) => writerTxn >= (accepted.get(name) ?? 0));
    while (this.#marks.length > 0 && isShown(this.#marks[0]!)) this.#shown = this.#marks.shift()!.batches;
  }

  #well(trouble: string): StoreOutcome {
    const hidden = this.#batches - this.#shown;
    return { ok: true, ...(hidden === 0 ? {} : { hidden }), ...(trouble === "" ? {} : { trouble }) };
  }

  /** What is remembered stays while a fault lasts, so that a loss is still told once it is over. */
  #trouble(kind: "unavailable" | "refused", message: string, doesHarm: boolean): StoreOutcome {
    if (doesHarm && this.#states !== null) this.#harm = message;
    this.#forget();
    return { ok: false, kind, message, again: "hidden" };
  }

  #forget(): void {
    this.#batches = 0;
    this.#shown = 0;
    this.#marks = [];
  }

  /** The store as a run before this one left it; a text that nobody understands says nothing. */
  #recall(): TableState[] | null {
    const text = this.#options.memory?.read() ?? null;
    if (text === null) return null;
    this.#remembered = text;
    try {
      const { boot, ids } = JSON.parse(text) as Remembered;
      return Object.entries(ids).map(([name, id]) => ({
        ...{ name, id, boot, dedup: true, suspended: false, writerTxn: 0, sequencerTxn: 0, errorMessage: "" },
      }));
    } catch {
      return [];
    }
  }
}
