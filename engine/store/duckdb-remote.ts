import { MessageChannel, type MessagePort } from "node:worker_threads";
import type { PeriodName } from "../base/entries.js";
import { MeterstormError } from "../base/errors.js";
import type { ControlMessage, ControlReply, StoreMethod } from "./duckdb-messages.js";
import type {
  AlertFilter,
  AlertRow,
  ConsumptionRow,
  IncidentFilter,
  IncidentRow,
  Range,
  ReadingRow,
  RejectedRow,
  Store,
} from "./interface.js";

interface Waiting {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** The embedded store seen from the main thread: every call is a message to DuckDB's thread. */
export class DuckDbRemoteStore implements Store {
  readonly #port: MessagePort;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #ended = false;
  #closed: (() => void) | null = null;

  /** `port` is the other end of the one that the thread was started with. */
  constructor(port: MessagePort) {
    this.#port = port;
    port.on("message", (reply: ControlReply) => this.#receive(reply));
    port.on("close", () => this.#end());
  }

  /** A port for one shard's sink, to be transferred to its worker. */
  connectShard(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.#post({ type: "connect", port: port1 }, [port1]);
    return port2;
  }

  prepare(): Promise<void> {
    return this.#call("prepare", []);
  }

  identity(): Promise<string> {
    return this.#call("identity", []);
  }

  check(): Promise<void> {
    return this.#call("check", []);
  }

  readings(tenant: string, meter: string, range: Range, limit: number): Promise<ReadingRow[]> {
    return this.#call("readings", [tenant, meter, range, limit]);
  }

  consumption(tenant: string, meter: string, period: PeriodName, range: Range, limit: number): Promise<ConsumptionRow[]> {
    return this.#call("consumption", [tenant, meter, period, range, limit]);
  }

  alerts(tenant: string, filter: AlertFilter): Promise<AlertRow[]> {
    return this.#call("alerts", [tenant, filter]);
  }

  incidents(tenant: string, filter: IncidentFilter): Promise<IncidentRow[]> {
    return this.#call("incidents", [tenant, filter]);
  }

  rejected(tenant: string, range: Range, limit: number): Promise<RejectedRow[]> {
    return this.#call("rejected", [tenant, range, limit]);
  }

  /** Has the thread close the file and end; resolves when it has. */
  async close(): Promise<void> {
    if (this.#ended) return;
    await new Promise<void>((resolve) => {
      this.#closed = resolve;
      this.#post({ type: "close" }, []);
    });
    this.#end();
    this.#port.close();
  }

  #call<T>(method: StoreMethod, args: readonly unknown[]): Promise<T> {
    if (this.#ended) return Promise.reject(threadEnded());
    const id = this.#nextId++;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.#post({ type: "call", id, method, args }, []);
    });
  }

  #post(message: ControlMessage, transfer: MessagePort[]): void {
    this.#port.postMessage(message, transfer);
  }

  #receive(reply: ControlReply): void {
    if (reply.type === "closed") {
      this.#closed?.();
      return;
    }
    const waiting = this.#waiting.get(reply.id);
    if (waiting === undefined) return;
    this.#waiting.delete(reply.id);
    if (reply.type === "result") waiting.resolve(reply.value);
    else waiting.reject(new MeterstormError(reply.code, reply.message));
  }

  /** A thread that is gone answers nothing any more: nobody is left waiting. */
  #end(): void {
    this.#ended = true;
    for (const waiting of this.#waiting.values()) waiting.reject(threadEnded());
    this.#waiting.clear();
    this.#closed?.();
  }
}

function threadEnded(): MeterstormError {
  return new MeterstormError("store_unavailable", "DuckDB's thread has ended; see the log for why, and restart the engine");
}
