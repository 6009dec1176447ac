import type { Clock } from "../../engine/base/clock.js";
import type { RingConsumer, RingProducer } from "../../engine/memory/ring.js";
import type { Sink } from "../../engine/store/interface.js";
import type { Journal } from "../journal/journal.js";
import type { JournalShares } from "./journal-shares.js";

export interface ShardPorts {
  clock: Clock;
  input: RingConsumer;
  output: RingProducer;
  journal: Journal;
  sink: Sink;
}

export interface ShardOptions {
  ack: "durable" | "stored";
  journalMaxBytes: number;
  splitTenants: ReadonlySet<string>;
  /** See AdoptOptions. */
  isHome(tenant: string): boolean;
  /** Position that the store already has, and rows of readings that the journal has behind it. */
  stored: number;
  backlogRows: number;
  /** What clients hold of the journal, that behind `stored` included. */
  shares: JournalShares;
  /** Rows can be sent no more, or late inputs worked in no more, and the reason is no answer of the store. */
  onFailed(error: unknown): void;
  /** See OpenOptions. */
  alive(): void;
  /** See BesidePorts. */
  audits: boolean;
  random(): number;
}
