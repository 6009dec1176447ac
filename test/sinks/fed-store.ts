import assert from "node:assert/strict";
import { systemClock } from "../../engine/base/clock.js";
import { EntryWriter, Kind, UnitType } from "../../engine/base/entries.js";
import { QuestDbConnection } from "../../engine/store/questdb-http.js";
import { Journal } from "../../workers/journal/journal.js";
import { SinkPump } from "../../workers/loop/sink-pump.js";
import { QuestDbSink, type QuestDbSinkOptions } from "../../workers/sinks/questdb.js";
import type { StoreMemory } from "../../workers/sinks/store-memory.js";
import { TestNames } from "../store/test-names.js";
import { until } from "../support/servers.js";
import { SimDisk } from "../support/sim-disk.js";

export const T0 = 1_767_225_600_000;
const timeouts = { connectMs: 2_000, answerMs: 1_000 };

export function addressOf(http: string) {
  return { http, username: null, password: null };
}

/** A journal that a pump empties into a real QuestDB, with an account of every row that must be there in the end. */
export class FedStore {
  readonly #disk = new SimDisk();
  readonly names = new TestNames();
  readonly #writer = new EntryWriter();
  readonly #options: Partial<QuestDbSinkOptions>;
  readonly #http: string;
  readonly #sql: QuestDbConnection;
  /** By meter and time. */
  readonly #expected = new Map<string, { meter: string; ts: number; value: number; rev: number }>();
  #seq = 0;
  /** Meters that the store is to have no rows of. */
  readonly refused = new Set<string>();
  journal!: Journal;
  pump!: SinkPump;
  sink!: QuestDbSink;
  readonly troubles: string[] = [];
  readonly warnings: string[] = [];
  storedReadings = 0;

  /** `http`: how the sink reaches the store; `direct`: how the test does. */
  private constructor(http: string, direct: string, options: Partial<QuestDbSinkOptions>) {
    this.#http = http;
    this.#sql = new QuestDbConnection(addressOf(direct));
    this.#options = options;
  }

  static async open(http: string, direct = http, options: Partial<QuestDbSinkOptions> = {}): Promise<FedStore> {
    const fed = new FedStore(http, direct, options);
    fed.journal = await Journal.open({
      ...{ disk: fed.#disk, clock: systemClock, directory: "shard", reserve: false },
      onDurable: () => fed.pump?.notify(),
      onFailed: (error) => assert.fail(error),
    });
    fed.start(0);
    return fed;
  }

  /** A pump of its own with a sink of its own, as another process has it. */
  start(position: number, memory: StoreMemory | null = null): void {
    this.sink = new QuestDbSink({
      ...{ address: addressOf(this.#http), names: this.names, timeouts, healthEveryMs: 20, settleMs: 100, memory },
      ...this.#options,
    });
    this.pump = new SinkPump(
      {
        ...{ clock: systemClock, journal: this.journal, sink: this.sink, restMs: () => 0 },
        onStored: (_, { readings, refused }) => {
          this.storedReadings += readings;
          this.warnings.push(...refused.map(({ text }) => text));
        },
        onError: (kind, message) => void this.troubles.push(`${kind}: ${message}`),
        onFailed: (error) => assert.fail(String(error)),
      },
      position,
    );
    this.pump.start();
  }

  async stop(): Promise<void> {
    await this.pump.stop(5_000);
    await this.sink.close();
  }

  async close(): Promise<void> {
    await this.pump.stop(0);
    await this.sink.close();
    await this.#sql.close();
  }

  /** One frame of readings, each with its hour; durable once it resolves. */
  async feed(rows: readonly { meter: string; ts: number; value: number; rev?: number }[]): Promise<void> {
    const writer = this.#writer;
    writer.reset();
    writer.beginUnit(UnitType.FRAME, T0, 0, ++this.#seq, 0, 0);
    for (const { meter, ts, value, rev = 0 } of rows) {
      writer.reading(Kind.READING, this.names.meterNumber("acme", meter), ts, value, 1, rev, 0);
      this.#expected.set(`${meter} ${ts}`, { meter, ts, value, rev });
    }
    writer.endUnit(rows.length);
    this.journal.append(writer.bytes());
    await this.journal.committed(this.journal.appended);
  }

  /** `count` readings that nobody has sent before. */
  feedMore(count: number): Promise<void> {
    const first = this.#expected.size;
    return this.feed(
      Array.from({ length: count }, (_, i) => ({ meter: `m${i % 7}`, ts: T0 + (first + i) * 1000, value: first + i })),
    );
  }

  query(sql: string) {
    return this.#sql.query(sql);
  }

  /** What is called stored can be read: the count is taken before the question. */
  async neverAhead(): Promise<void> {
    const stored = this.storedReadings;
    const [[count]] = (await this.query("SELECT count() FROM readings")) as [[number]];
    assert.ok(count >= stored, `${stored} readings are called stored, ${count} can be read`);
  }

  /** The pump has told of such a trouble, now or before. */
  async troubled(what: RegExp, withinMs = 10_000): Promise<void> {
    await until(`trouble like ${what}`, withinMs, () => this.troubles.some((each) => what.test(each))).catch((error: unknown) =>
      assert.fail(`${String(error)}; there was ${this.troubles.join("\n")}`),
    );
  }

  /** Everything is stored and nothing is wrong; the rows are exactly those expected, each once. */
  async whole(withinMs = 10_000): Promise<void> {
    await until("everything is stored and nothing is wrong", withinMs, () => {
      return this.pump.trouble === "" && this.pump.position === this.journal.durable;
    }).catch((error: unknown) =>
      assert.fail(`${String(error)}; trouble: ${this.pump.trouble}; ${this.troubles.slice(-5).join("\n")}`),
    );
    const rows = await this.query('SELECT meter, cast(ts AS LONG) / 1000, "value", rev FROM readings ORDER BY meter, ts');
    const expected = [...this.#expected.values()]
      .filter(({ meter }) => !this.refused.has(meter))
      .sort((a, b) => (a.meter < b.meter ? -1 : a.meter > b.meter ? 1 : a.ts - b.ts));
    assert.deepEqual(
      rows,
      expected.map(({ meter, ts, value, rev }) => [meter, ts, value, rev]),
    );
  }
}
