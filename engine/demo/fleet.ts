import { type Clock, sleep } from "../base/clock.js";
import { invariant, MeterstormError, messageOf } from "../base/errors.js";
import { Datalogger, type MeterReading } from "../client/datalogger.js";
import type { DemoClient, DemoSite } from "./clients.js";
import type { DemoTokens } from "./config.js";
import { MeterSource } from "./meter-source.js";
import { RECORDED_NAMES, readRecorded } from "./recorded.js";

export interface FleetOptions {
  /** The engine's address. */
  readonly url: string;
  readonly clients: readonly DemoClient[];
  readonly tokens: ReadonlyMap<string, DemoTokens>;
  /** Hours of the series that pass in a second. */
  readonly hoursPerSecond: number;
  readonly clock: Clock;
  /** Stops after so many hours of each series; null: with its end. */
  readonly maxHours: number | null;
}

export interface FleetProgress {
  readonly sent: number;
  readonly acked: number;
  readonly rejected: number;
  /** Dataloggers that have sent all of their series. */
  readonly ended: number;
  readonly dataloggers: number;
}

/** Readings go out four times a second, as many hours of them as have passed. */
const STEP_MS = 250;

/** The demo's dataloggers: each streams its meters at its pace, and waits when the engine asks for it. */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #loggers: Datalogger[] = [];
  readonly #runs: Promise<void>[] = [];
  #ended = 0;
  #stopped = false;

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  /** Connects every datalogger and begins to stream. */
  start(): void {
    invariant(this.#loggers.length === 0, "a fleet starts once");
    const recorded = new Map(RECORDED_NAMES.map((name) => [name, readRecorded(name)]));
    for (const { tenant, sites } of this.#options.clients) {
      const tokens = this.#options.tokens.get(tenant);
      invariant(tokens !== undefined, `client ${tenant} has tokens`);
      for (const site of sites) {
        const logger = new Datalogger({
          url: this.#options.url,
          token: tokens.ingest,
          datalogger: site.datalogger,
          format: site.format,
          clock: this.#options.clock,
        });
        this.#loggers.push(logger);
        const sources = site.meters.map((meter) => new MeterSource(meter, recorded.get(meter.series)!));
        this.#runs.push(this.#run(logger, site, sources));
      }
    }
  }

  get progress(): FleetProgress {
    const total = { sent: 0, acked: 0, rejected: 0, ended: this.#ended, dataloggers: this.#loggers.length };
    for (const { counters } of this.#loggers) {
      total.sent += counters.sent;
      total.acked += counters.acked;
      total.rejected += counters.rejected;
    }
    return total;
  }

  /** Resolves when every datalogger has sent all of its series and has it acked; rejects when one gives up. */
  async finished(): Promise<void> {
    await Promise.all(this.#runs);
  }

  /** Stops sending; what was not acked is forgotten. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#loggers.map((logger) => logger.close()));
    await Promise.allSettled(this.#runs);
  }

  async #run(logger: Datalogger, site: DemoSite, sources: readonly MeterSource[]): Promise<void> {
    const { clock, hoursPerSecond, maxHours } = this.#options;
    const hours = Math.min(maxHours ?? Number.POSITIVE_INFINITY, ...sources.map((source) => source.hours));
    const perStep = Math.max(1, Math.round((hoursPerSecond * STEP_MS) / 1000));
    try {
      for (let hour = 0; hour < hours && !this.#stopped; ) {
        const until = Math.min(hours, hour + perStep);
        for (; hour < until; hour++) await logger.send(oneHour(sources));
        await sleep(clock, STEP_MS);
      }
      await logger.drained();
      this.#ended++;
    } catch (error) {
      if (this.#stopped) return;
      throw new MeterstormError("demo_datalogger", `datalogger ${site.datalogger} gave up: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }
}

function oneHour(sources: readonly MeterSource[]): MeterReading[] {
  return sources.map((source) => source.next()).filter((reading) => reading !== null);
}
