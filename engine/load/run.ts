import { type Clock, sleep } from "../base/clock.js";
import { MeterstormError } from "../base/errors.js";
import { FRAME_HEADER_BYTES, READING_RECORD_BYTES } from "../client/frames.js";
import type { Welcome } from "../client/messages.js";
import { BinaryFrameMaker } from "./binary-frame-maker.js";
import type { FrameMaker } from "./frame-maker.js";
import { Histogram } from "./histogram.js";
import type { LoadOptions } from "./options.js";
import { Pacer } from "./pacer.js";
import { planLoad } from "./plan.js";
import { LoadSender } from "./sender.js";
import type { Series } from "./series.js";
import { TextFrameMaker } from "./text-frame-maker.js";

const CONNECT_WITHIN_MS = 60_000;
const PROGRESS_EVERY_MS = 250;
const POLL_MS = 5;

export interface LoadProgress {
  readonly elapsedMs: number;
  readonly sent: number;
  readonly acked: number;
  readonly rejected: number;
  /** Share of the run that is over, 0 … 1. */
  readonly done: number;
  readonly p99Ms: number;
}

export interface LoadHooks {
  readonly clock: Clock;
  readonly random: () => number;
  readonly onProgress?: (progress: LoadProgress) => void;
  /** Ends the sending early; what was sent is still waited for. */
  readonly signal?: AbortSignal;
}

/** What was sent and acked, and by whom: enough to check the store against. */
export interface LoadRun {
  readonly series: Series;
  readonly senders: readonly LoadSender[];
  readonly latencies: Histogram;
  /** When the first frame was sent, epoch ms. */
  readonly startedAtMs: number;
  /** From the first frame to the last ack. */
  readonly elapsedMs: number;
  /** CPU that this process took meanwhile. */
  readonly cpuMs: number;
  readonly ackTier: string;
}

/**
 * Connects all dataloggers, sends, and waits until everything is acked or no ack has come for
 * `patienceMs`. Throws MeterstormError with the engine's code when it refuses a datalogger,
 * `load_connect` when they are not all connected within a minute.
 */
export async function runLoad(options: LoadOptions, hooks: LoadHooks): Promise<LoadRun> {
  const { clock } = hooks;
  const { series, readingsOf } = planLoad(options, clock);
  const latencies = new Histogram();
  const welcomes: Welcome[] = [];
  let failure: MeterstormError | null = null;
  let finished = 0;
  const senders = Array.from(
    { length: options.dataloggers },
    (_, d) =>
      new LoadSender({
        url: options.url,
        token: options.tokens[d % options.tokens.length]!,
        datalogger: series.dataloggerId(d),
        meters: Array.from({ length: options.metersPerDatalogger }, (_, m) => series.meterId(d, m)),
        clock,
        random: hooks.random,
        readings: readingsOf(d),
        latencies,
        onWelcome: (welcome) => welcomes.push(welcome),
        onDone: () => {
          finished++;
        },
        onError: (error) => {
          failure ??= error;
        },
      }),
  );
  try {
    const broken = () => {
      if (failure !== null) throw failure;
    };
    await connected(clock, () => welcomes.length, senders.length, broken);
    const makers = senders.map((_, d) => makerFor(options, series, d, Math.min(...welcomes.map((w) => w.maxFrameBytes))));
    const startMs = clock.monotonicMs();
    const startedAtMs = clock.nowMs();
    const cpu = process.cpuUsage();
    const pacer =
      options.readingsPerSecond === null
        ? null
        : new Pacer(clock, senders, makers[0]!.slices, options.readingsPerSecond, startMs);
    senders.forEach((sender, d) => {
      sender.start(makers[d]!, pacer === null ? null : (k) => pacer.dueMs(d, k));
    });
    pacer?.start();
    try {
      await watch(options, hooks, senders, latencies, startMs, () => finished, broken);
      const used = process.cpuUsage(cpu);
      return {
        series,
        senders,
        latencies,
        startedAtMs,
        elapsedMs: senders.reduce((last, sender) => Math.max(last, sender.lastAckMs), startMs) - startMs,
        cpuMs: (used.user + used.system) / 1000,
        ackTier: welcomes[0]!.ack,
      };
    } finally {
      pacer?.stop();
    }
  } finally {
    for (const sender of senders) sender.close();
  }
}

async function connected(clock: Clock, count: () => number, wanted: number, broken: () => void): Promise<void> {
  const end = clock.monotonicMs() + CONNECT_WITHIN_MS;
  while (count() < wanted) {
    broken();
    if (clock.monotonicMs() > end) {
      throw new MeterstormError(
        "load_connect",
        `${count()} of ${wanted} dataloggers were connected within ${CONNECT_WITHIN_MS / 1000} s; check the address, and the tenant's limit of connections`,
      );
    }
    await sleep(clock, 5);
  }
}

/** Waits for the end, reporting progress. */
async function watch(
  options: LoadOptions,
  hooks: LoadHooks,
  senders: readonly LoadSender[],
  latencies: Histogram,
  startMs: number,
  finished: () => number,
  broken: () => void,
): Promise<void> {
  const { clock } = hooks;
  let acked = 0;
  let movedMs = startMs;
  let reportedMs = startMs;
  let stopped = false;
  while (finished() < senders.length) {
    await sleep(clock, POLL_MS);
    broken();
    const nowMs = clock.monotonicMs();
    const over = hooks.signal?.aborted === true || (options.durationMs !== null && nowMs - startMs >= options.durationMs);
    if (over && !stopped) {
      stopped = true;
      for (const sender of senders) sender.stop();
    }
    if (nowMs - reportedMs < PROGRESS_EVERY_MS) continue;
    reportedMs = nowMs;
    hooks.onProgress?.(progressOf(options, senders, latencies, nowMs - startMs));
    // A slow schedule has pauses of its own: only frames that wait for their ack try the patience.
    if (latencies.total > acked || senders.every((sender) => sender.unacked === 0)) movedMs = nowMs;
    acked = latencies.total;
    if (nowMs - movedMs > options.patienceMs) return;
  }
  hooks.onProgress?.(progressOf(options, senders, latencies, clock.monotonicMs() - startMs));
}

function progressOf(options: LoadOptions, senders: readonly LoadSender[], latencies: Histogram, elapsedMs: number): LoadProgress {
  let sent = 0;
  let rejected = 0;
  for (const sender of senders) {
    sent += sender.sent;
    rejected += sender.rejected.length;
  }
  const byTime = options.durationMs === null ? 0 : elapsedMs / options.durationMs;
  const byCount = options.readings === null ? 0 : latencies.total / options.readings;
  return {
    elapsedMs,
    sent,
    acked: latencies.total,
    rejected,
    done: Math.min(1, Math.max(byTime, byCount)),
    p99Ms: latencies.quantileMs(0.99),
  };
}

function makerFor(options: LoadOptions, series: Series, datalogger: number, maxFrameBytes: number): FrameMaker {
  const { format, textForm, readingsPerSecond, dataloggers } = options;
  const fitting =
    format === "binary"
      ? Math.floor((maxFrameBytes - FRAME_HEADER_BYTES) / READING_RECORD_BYTES)
      : TextFrameMaker.readingsIn(series, textForm, maxFrameBytes);
  const paced = readingsPerSecond === null ? fitting : Math.ceil(readingsPerSecond / dataloggers / 10);
  const wanted = Math.max(1, Math.min(fitting, options.frameReadings ?? paced));
  return format === "binary"
    ? new BinaryFrameMaker(series, datalogger, wanted)
    : new TextFrameMaker(series, datalogger, wanted, textForm);
}
