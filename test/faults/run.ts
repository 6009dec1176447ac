import { readingsOf } from "../end-to-end/api.js";
import { questDbRows, storedInQuestDb } from "../end-to-end/stored-rows.js";
import type { Random } from "../support/random.js";
import { until } from "../support/servers.js";
import type { Arena } from "./arena.js";
import { check, type Figures, type Finding, p99 } from "./checker.js";
import { Crew } from "./crew.js";
import type { AlertRow, Evidence, LoggerRecord, Seen } from "./record.js";
import type { Scenario, Struck } from "./scenarios.js";

/** Times of the first scenario's first readings; each later one has days of its own. */
const FIRST_MS = Date.UTC(2024, 0, 1);
const EACH_MS = 14 * 24 * 3_600_000;
/** Resident: what the engine's bounded buffers may hold together (see docs/RELIABILITY.md). */
export const MEMORY_BOUND_MIB = 768;
/** Acks of others that are faster than this at p99 are nobody's trouble; milliseconds. */
export const FLOOR_MS = { short: 1_000, long: 50 } as const;
const SHOWN_METERS = 2;
const LOOK_AGAIN_MS = 250;

export type Length = "short" | "long";

/** What became of one scenario. */
export interface Outcome {
  readonly scenario: string;
  readonly faults: number;
  readonly figures: Figures;
  /** From the end of the fault until everybody was acked something new, and until nothing waited any more. */
  readonly ackedAgainMs: number;
  readonly recoveredMs: number | null;
  readonly p99BeforeMs: number;
  /** Of those whom the fault was none of the business of; null: there were none. */
  readonly p99OthersMs: number | null;
  readonly p99AfterMs: number;
  readonly memoryMiB: number;
  readonly findings: readonly Finding[];
  readonly records: readonly LoggerRecord[];
}

/** Makes the fault amid load and judges what it left behind. */
export async function runScenario(
  arena: Arena,
  scenario: Scenario,
  index: number,
  length: Length,
  random: Random,
): Promise<Outcome> {
  const crew = new Crew(arena, scenario.name, FIRST_MS + index * EACH_MS);
  crew.start();
  try {
    await crew.heardAfter(performance.now());
    arena.memory.takePeak();
    const calmMs = performance.now();
    await crew.advance(length === "short" ? 150 : 1_000);
    const beginMs = performance.now();
    const struck = await scenario.strike(arena, crew, scenario[length], random);
    const endMs = performance.now();
    await crew.heardAfter(endMs);
    const againMs = performance.now();
    await crew.advance(length === "short" ? 50 : 500);
    await crew.drained();
    const span = { calmMs, beginMs, endMs, againMs };
    return await judged(arena, scenario, crew, struck, span, length);
  } finally {
    crew.close();
  }
}

interface Span {
  readonly calmMs: number;
  readonly beginMs: number;
  readonly endMs: number;
  readonly againMs: number;
}

async function judged(
  arena: Arena,
  { name, backlogWithinMs }: Scenario,
  crew: Crew,
  { faults, shards }: Struck,
  { calmMs, beginMs, endMs, againMs }: Span,
  length: Length,
): Promise<Outcome> {
  const within = (witnesses: readonly LoggerRecord[], fromMs: number, toMs: number): number[] =>
    witnesses.flatMap(({ waits }) => waits.filter(({ sentMs }) => sentMs >= fromMs && sentMs < toMs).map(({ ms }) => ms));
  const touched = arena.clients.filter(({ shard }) => shards === "all" || (shards !== "none" && shards.includes(shard)));
  const bystanders = crew.witnesses.filter(({ tenant }) => !touched.some(({ id }) => id === tenant));
  const beforeMs = within(bystanders, calmMs, beginMs);
  // What a fault that is over at once leads to comes after it.
  const duringMs = within(bystanders, beginMs, Number.POSITIVE_INFINITY);
  const others = bystanders.length === 0 ? null : { beforeMs, duringMs, floorMs: FLOOR_MS[length] };
  const backlog = { goneMs: null as number | null, withinMs: backlogWithinMs };
  const memory = { peakMiB: arena.memory.takePeak(), boundMiB: MEMORY_BOUND_MIB };
  const evidence = async (): Promise<Evidence> => ({
    ...{ loggers: crew.all, seen: await seenOf(arena, name, crew.all), others, memory, backlog },
  });
  // Nothing waits any more once the engine says so and all that was promised is to be seen.
  let verdict = check({ loggers: crew.all, seen: new Map(), others, memory, backlog });
  await until("nothing waits any more", Math.max(1_000, endMs + backlogWithinMs - performance.now()), async () => {
    if ((await arena.waiting()) !== 0) return false;
    const nowMs = performance.now();
    const seen = await evidence();
    verdict = check({ ...seen, backlog: { ...backlog, goneMs: nowMs - endMs } });
    if (verdict.findings.some(({ promise }) => mayStillCome.has(promise))) {
      await arena.hold(LOOK_AGAIN_MS);
      return false;
    }
    backlog.goneMs = nowMs - endMs;
    return true;
  }).catch(async () => {
    verdict = check(await evidence());
  });
  return {
    ...{ scenario: name, faults, figures: verdict.figures, ackedAgainMs: againMs - endMs, recoveredMs: backlog.goneMs },
    p99BeforeMs: p99(within(bystanders.length === 0 ? crew.witnesses : bystanders, calmMs, beginMs)),
    p99OthersMs: others === null ? null : p99(duringMs),
    p99AfterMs: p99(within(crew.witnesses, againMs, Number.POSITIVE_INFINITY)),
    ...{ memoryMiB: memory.peakMiB, findings: verdict.findings, records: crew.all },
  };
}

const mayStillCome = new Set<Finding["promise"]>([
  "what was acked is stored",
  "rows are those of the accepted readings",
  "each alert transition once",
]);

/** What store, API and webhooks show of the meters whose ids begin with the scenario's name. */
export async function seenOf(arena: Arena, name: string, records: readonly LoggerRecord[]): Promise<Map<string, Seen>> {
  const seen = new Map<string, Seen>();
  const { httpUrl } = arena.questDb;
  const told = arena.told.filter(({ meter }) => meter.startsWith(`${name}-`));
  for (const { id, tokens } of arena.clients) {
    const meters = records.filter(({ tenant, acked }) => tenant === id && acked > 0).flatMap((record) => record.meters);
    const shown = new Map<string, Seen["shown"] extends ReadonlyMap<string, infer Rows> ? Rows : never>();
    for (const meter of [
      ...meters.slice(0, SHOWN_METERS),
      ...meters.filter(({ settings }) => settings.kind === "gauge").slice(0, 1),
    ])
      shown.set(meter.id, await readingsOf(arena.engine.url, tokens.read, meter.id, 10_000));
    seen.set(id, {
      rows: await storedInQuestDb(httpUrl, id, `${name}-%`),
      alerts: await alertRows(httpUrl, id, `${name}-%`),
      told: told.filter(({ tenant }) => tenant === id).map(({ key }) => key),
      shown,
    });
  }
  return seen;
}

async function alertRows(httpUrl: string, tenant: string, like: string): Promise<AlertRow[]> {
  const columns = 'cast("ts" AS LONG) / 1000, meter, rule, incident, state, severity, value, threshold';
  const rows = await questDbRows(httpUrl, `SELECT ${columns} FROM alerts WHERE tenant = '${tenant}' AND meter LIKE '${like}'`);
  return rows.map(([ts, meter, rule, incident, state, severity, value, threshold]) => ({
    ...{ ts: Number(ts), meter: String(meter), rule: String(rule), incident: String(incident) },
    ...{ state: String(state), severity: String(severity), value: value as number | null, threshold: threshold as number | null },
  }));
}
