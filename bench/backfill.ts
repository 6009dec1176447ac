import { readFileSync } from "node:fs";
import { join } from "node:path";
import { sleep, systemClock } from "../engine/base/clock.js";
import { defaultSettings } from "../engine/base/settings.js";
import { Datalogger } from "../engine/client/datalogger.js";
import type { LoadReport } from "../engine/load/report.js";
import { QuestDbStore } from "../engine/store/questdb.js";
import { reference } from "../test/reference/reference.js";
import { startQuestDb } from "../test/support/questdb.js";
import { type BenchEngine, startBenchEngine } from "./engine-process.js";
import { keyOf, tenantOf } from "./fleet.js";
import { runLoad, writeTokens } from "./load-process.js";
import { processCpuMicros } from "./process-cpu.js";
import { median } from "./result.js";
import { BenchStore } from "./store.js";

const HOUR_MS = 3_600_000;
const END_MS = Date.UTC(2026, 0, 1);
/** Dataloggers that send the history; each has so many of its meters in a frame, a day of each. */
const SENDERS = 10;
const METERS_A_FRAME = 100;
const WITHIN_MS = 60 * 60_000;

export interface BackfillSize {
  /** Meters whose history comes, hours of it, and meters that send live meanwhile, at so many readings a second. */
  readonly meters: number;
  readonly days: number;
  readonly liveMeters: number;
  readonly liveClients: number;
  readonly liveRate: number;
  /** Seconds of one measurement of the live dataloggers' acks. */
  readonly seconds: number;
  /** Meters of which every row is compared with the rules' own. */
  readonly compared: number;
}

export interface BackfillResult {
  readonly late: number;
  readonly seconds: number;
  readonly latePerSecond: number;
  /** Live acks, milliseconds: alone, before and after (medians); while the history is worked in (medians and the worst of the measurements). */
  readonly alone: Acks;
  readonly beside: Acks & { worstP99: number; measurements: number };
  /** Engine CPU a late reading, the live ones' share taken off. */
  readonly cpuMicros: number;
  readonly repairs: number;
  readonly rowsWritten: number;
  readonly wrong: string[];
}

/** A counter's value after so many hours. */
function valueAt(meter: number, hour: number): number {
  return Math.round(1000 * (meter + hour * 1.25 + (hour % 7) * 0.03)) / 1000;
}

/**
 * A year of hourly history of a thousand meters, newest first, by one client, while other clients' meters stream live:
 *
 *     live fleet ──┐                                                        ┌─ acks: their p99 against what it is alone
 *                  ├─▶ engine ──▶ QuestDB ──▶ all rows of the history's meters, a sample against the rules
 *     history ─────┘   (repairs)
 */
export async function runBackfill(size: BackfillSize, note: (line: string) => void): Promise<BackfillResult> {
  const questdb = await startQuestDb();
  const store = new BenchStore(questdb.httpUrl);
  const engine = await startBenchEngine({ clients: size.liveClients + 1 }, questdb.httpUrl);
  try {
    await measureLive(engine, size, 0);
    const cpuAlone = processCpuMicros(engine.pid);
    const alone = [await measureLive(engine, size, 1), await measureLive(engine, size, 2)];
    const liveCpuPerSecond = (processCpuMicros(engine.pid) - cpuAlone) / size.seconds / alone.length;
    for (const each of alone) note(`alone: live acks ${inWords(each)}`);
    const startMs = performance.now();
    const cpuBefore = processCpuMicros(engine.pid);
    let over = false;
    const history = sendHistory(engine, size).then(async () => {
      note(`all history is acked after ${((performance.now() - startMs) / 1000).toFixed(1)} s`);
      await mended(engine);
    });
    void history.finally(() => {
      over = true;
    });
    const measured: Acks[] = [];
    for (let i = 0; !over; i++) {
      measured.push(await measureLive(engine, size, 10 + i));
      const waiting = await metric(engine, "meterstorm_late_inputs_waiting");
      note(`beside: live acks ${inWords(measured[i]!)}; ${waiting} late inputs wait`);
    }
    await history;
    const seconds = (performance.now() - startMs) / 1000;
    const cpu = processCpuMicros(engine.pid) - cpuBefore - liveCpuPerSecond * seconds;
    alone.push(await measureLive(engine, size, 3));
    note(`alone again: live acks ${inWords(alone[alone.length - 1]!)}`);
    const late = size.meters * (size.days * 24);
    const wrong = await check(questdb.httpUrl, size);
    const middle = (acks: readonly Acks[]) => ({
      p50: median(acks.map(({ p50 }) => p50)),
      p99: median(acks.map(({ p99 }) => p99)),
    });
    return {
      late,
      seconds,
      latePerSecond: late / seconds,
      alone: middle(alone),
      beside: {
        ...middle(measured),
        worstP99: Math.max(...measured.map(({ p99 }) => p99)),
        measurements: measured.length,
      },
      cpuMicros: cpu / late,
      repairs: await metric(engine, "meterstorm_repairs_total"),
      rowsWritten: await metric(engine, "meterstorm_repaired_rows_total"),
      wrong,
    };
  } catch (error) {
    throw new Error(`the engine's log ends with:\n${engine.output().slice(-4000)}`, { cause: error });
  } finally {
    await engine.stop();
    await store.close();
    await questdb.stop();
  }
}

/** Milliseconds. */
interface Acks {
  readonly p50: number;
  readonly p99: number;
}

function inWords({ p50, p99 }: Acks): string {
  return `p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`;
}

async function measureLive(engine: BenchEngine, size: BackfillSize, run: number): Promise<Acks> {
  const json = join(engine.folder, "live.json");
  const fleet = ["--dataloggers", String(size.liveClients), "--meters", String(size.liveMeters / size.liveClients)];
  const pace = ["--rate", String(size.liveRate), "--duration", `${size.seconds}s`, "--seed", String(run + 1), "--name", "live"];
  const address = ["--url", engine.url.replace("http", "ws"), "--token-file", writeTokens(engine.folder, size.liveClients)];
  const { code, words } = await runLoad([...address, ...fleet, ...pace, "--verify", "none", "--json", json]);
  if (code !== 0) throw new Error(`the live load ended with ${code}:\n${words}`);
  const { latencyMs } = JSON.parse(readFileSync(json, "utf8")) as LoadReport;
  return { p50: latencyMs.p50, p99: latencyMs.p99 };
}

/** Every meter first says what it shows now; then its history comes, day by day back, each day's hours newest first. */
async function sendHistory(engine: BenchEngine, size: BackfillSize): Promise<void> {
  const { token } = keyOf(size.liveClients);
  const url = engine.url.replace("http", "ws");
  await Promise.all(
    Array.from({ length: SENDERS }, async (_, sender) => {
      const logger = new Datalogger({ url, token, datalogger: `history-${sender}`, format: "binary" });
      const mine = Array.from({ length: size.meters }, (__, meter) => meter).filter((meter) => meter % SENDERS === sender);
      const hours = size.days * 24;
      await logger.send(mine.map((meter) => reading(meter, hours, hours)));
      for (let day = size.days - 1; day >= 0; day--) {
        for (let first = 0; first < mine.length; first += METERS_A_FRAME) {
          const some = mine.slice(first, first + METERS_A_FRAME);
          await logger.send(
            some.flatMap((meter) => Array.from({ length: 24 }, (__, i) => reading(meter, day * 24 + 23 - i, hours))),
          );
        }
      }
      await logger.drained();
      await logger.close();
    }),
  );
}

function reading(meter: number, hour: number, hours: number): { meter: string; ts: number; value: number } {
  return { meter: nameOf(meter), ts: END_MS + (hour - hours) * HOUR_MS, value: valueAt(meter, hour) };
}

function nameOf(meter: number): string {
  return `history-${String(meter).padStart(4, "0")}`;
}

async function metric(engine: BenchEngine, name: string): Promise<number> {
  const text = await (await fetch(`${engine.url}/metrics`)).text();
  let sum = 0;
  for (const [, value] of text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "gm"))) sum += Number(value);
  return sum;
}

/** Until nothing waits and the store has all. */
async function mended(engine: BenchEngine): Promise<void> {
  const end = performance.now() + WITHIN_MS;
  for (let quiet = 0; quiet < 3; ) {
    if (performance.now() > end) throw new Error(`late inputs still wait after ${WITHIN_MS / 60_000} minutes`);
    const waiting = await metric(engine, "meterstorm_late_inputs_waiting");
    quiet = waiting === 0 ? quiet + 1 : 0;
    await sleep(systemClock, 500);
  }
}

/** What is wrong with the rows of the history's meters; empty when nothing is. */
async function check(http: string, size: BackfillSize): Promise<string[]> {
  const store = new QuestDbStore({ http, username: null, password: null });
  const wrong: string[] = [];
  const hours = size.days * 24;
  const tenant = tenantOf(size.liveClients);
  const range = { from: 0, to: END_MS * 2 };
  try {
    for (let meter = 0; meter < size.meters; meter += Math.max(1, Math.floor(size.meters / size.compared))) {
      const inputs = Array.from({ length: hours + 1 }, (_, hour) => reading(meter, hour, hours));
      const right = reference(defaultSettings("UTC"), inputs);
      for (const [what, want, read] of [
        ["readings", right.readings, () => store.readings(tenant, nameOf(meter), range, 100_000)],
        ["hours", right.consumption.filter(({ period }) => period === "hour"), () => rows("hour")],
        ["days", right.consumption.filter(({ period }) => period === "day"), () => rows("day")],
      ] as const) {
        const is = await settled(read, want.length);
        const differ = want.filter(
          (row: object, i) => JSON.stringify(plainly(row)) !== JSON.stringify(plainly(is[i] ?? {})),
        ).length;
        if (differ > 0 || is.length !== want.length)
          wrong.push(`${nameOf(meter)}: ${differ} of ${want.length} ${what} (${is.length} stored)`);
      }
      function rows(period: "hour" | "day") {
        return store.consumption(tenant, nameOf(meter), period, range, 100_000);
      }
    }
  } finally {
    await store.close();
  }
  return wrong;
}

/** A row's cells in one order. */
function plainly(row: object): unknown[] {
  return Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** What is read once there are as many rows as wanted, or after a while. */
async function settled(read: () => Promise<object[]>, wanted: number): Promise<object[]> {
  const end = performance.now() + 60_000;
  for (;;) {
    const rows = await read();
    if (rows.length >= wanted || performance.now() > end) return rows;
    await sleep(systemClock, 200);
  }
}

/** A year of hours of a thousand meters, beside thirty thousand live ones. */
export const fullBackfill: BackfillSize = {
  meters: 1_000,
  days: 365,
  liveMeters: 30_000,
  liveClients: 100,
  liveRate: 5_000,
  seconds: 30,
  compared: 20,
};

export const smallBackfill: BackfillSize = {
  meters: 20,
  days: 3,
  liveMeters: 120,
  liveClients: 4,
  liveRate: 200,
  seconds: 1,
  compared: 5,
};
