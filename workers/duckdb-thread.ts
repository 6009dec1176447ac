import { randomUUID } from "node:crypto";
import type { MessagePort } from "node:worker_threads";
import { invariant, MeterstormError, messageOf } from "../engine/base/errors.js";
import { InTurn } from "../engine/base/in-turn.js";
import { DuckDbFile } from "../engine/store/duckdb.js";
import type {
  BatchMessage,
  ControlMessage,
  ControlReply,
  DuckDbThreadStart,
  HistoryMessage,
  NewNames,
  ShardMessage,
  ShardReply,
} from "../engine/store/duckdb-messages.js";
import { DuckDbStore } from "../engine/store/duckdb-reads.js";
import type { Names, StoreOutcome } from "../engine/store/interface.js";
import { DuckDbWriter } from "./sinks/duckdb-writer.js";

/**
 * The embedded store's one thread: it owns the file, writes the shards' batches one after another and
 * answers the main thread's reads beside them. Resolves when it was told to close, or when the
 * control port closed; the file is closed then. Rejects with `store_unavailable` when the file cannot be opened.
 */
export default async function serve(start: DuckDbThreadStart): Promise<void> {
  const { port } = start;
  let file: DuckDbFile;
  try {
    file = await DuckDbFile.open(start.path, start);
  } catch (error) {
    port.close();
    throw error;
  }
  const store = new DuckDbStore(file, randomUUID);
  const writer = new DuckDbWriter(file);
  const shards = new Set<MessagePort>();
  const writes = new InTurn();
  const histories = new InTurn();
  const answers = new Set<Promise<void>>();

  await new Promise<void>((resolve) => {
    let closing = false;
    port.on("message", (message: ControlMessage) => {
      // DuckDB aborts the whole process when it is asked anything once it is closed: what comes too late gets no answer.
      if (closing) return;
      if (message.type === "connect") serveShard(message.port, file, writer, { writes, histories }, shards);
      else if (message.type === "close") {
        closing = true;
        resolve();
      } else {
        const answered = answer(port, store, writes, message).finally(() => answers.delete(answered));
        answers.add(answered);
      }
    });
    port.on("close", resolve);
  });
  for (const shard of shards) shard.close();
  await Promise.all(answers);
  await histories.take(() => writes.take(() => store.close()));
  port.postMessage({ type: "closed" } satisfies ControlReply);
  port.close();
}

interface Queues {
  writes: InTurn;
  histories: InTurn;
}

function serveShard(
  port: MessagePort,
  file: DuckDbFile,
  writer: DuckDbWriter,
  { writes, histories }: Queues,
  shards: Set<MessagePort>,
): void {
  const names = new ReceivedNames();
  shards.add(port);
  port.on("close", () => shards.delete(port));
  port.on("message", (message: ShardMessage) => {
    names.add(message.names);
    if (message.type === "batch") void writes.take(() => writeFor(port, writer, names, message));
    else void histories.take(() => readFor(port, file, names, message, () => shards.has(port)));
  });
}

async function writeFor(port: MessagePort, writer: DuckDbWriter, names: Names, { id, entries }: BatchMessage): Promise<void> {
  let outcome: StoreOutcome;
  try {
    outcome = await writer.write(names, entries);
  } catch (error) {
    outcome = { ok: false, kind: "refused", message: messageOf(error) };
  }
  port.postMessage({ type: "batch", id, outcome } satisfies ShardReply);
}

/** Sends a history piece by piece, for as long as anybody is there to take it. */
async function readFor(
  port: MessagePort,
  file: DuckDbFile,
  names: Names,
  { id, tables, ranges }: HistoryMessage,
  isWanted: () => boolean,
): Promise<void> {
  let failure: string | null = null;
  try {
    const named = ranges.map(({ meter, from, to }) => ({
      ...{ tenant: names.tenantOfMeter(meter), meter: names.meter(meter), from, to },
    }));
    await file.history(tables, named, ({ table, rows }) => {
      port.postMessage({ type: "piece", id, table, rows } satisfies ShardReply, [rows.buffer]);
      return isWanted();
    });
  } catch (error) {
    failure = messageOf(error);
  }
  port.postMessage({ type: "end", id, failure } satisfies ShardReply);
}

type Call = Extract<ControlMessage, { type: "call" }>;

async function answer(port: MessagePort, store: DuckDbStore, writes: InTurn, call: Call): Promise<void> {
  try {
    const run = () =>
      (store[call.method] as (...args: readonly unknown[]) => Promise<unknown>).apply(store, call.args as unknown[]);
    // What writes shares the writer's connection, where statements must not mix with a batch's.
    const value = call.method === "prepare" || call.method === "identity" ? await writes.take(run) : await run();
    port.postMessage({ type: "result", id: call.id, value } satisfies ControlReply);
  } catch (error) {
    const code = error instanceof MeterstormError ? error.code : "store_query";
    port.postMessage({ type: "error", id: call.id, code, message: messageOf(error) } satisfies ControlReply);
  }
}

/** The names that came over one port. */
class ReceivedNames implements Names {
  readonly #meters: { tenant: string; id: string }[] = [];
  readonly #dataloggers: { tenant: string; id: string }[] = [];
  readonly #rules: string[] = [];

  add(names: NewNames): void {
    for (const { number, tenant, id } of names.meters) this.#meters[number] = { tenant, id };
    for (const { number, tenant, id } of names.dataloggers) this.#dataloggers[number] = { tenant, id };
    for (const { number, id } of names.rules) this.#rules[number] = id;
  }

  tenantOfMeter(meter: number): string {
    return known(this.#meters[meter], "meter", meter).tenant;
  }

  meter(meter: number): string {
    return known(this.#meters[meter], "meter", meter).id;
  }

  datalogger(datalogger: number): { tenant: string; id: string } {
    return known(this.#dataloggers[datalogger], "datalogger", datalogger);
  }

  rule(rule: number): string {
    return known(this.#rules[rule], "rule", rule);
  }
}

function known<T>(value: T | undefined, what: string, number: number): T {
  invariant(value !== undefined, `${what} ${number} was never named on this port`);
  return value;
}
