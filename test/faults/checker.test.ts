import assert from "node:assert/strict";
import { test } from "node:test";
import { flagNames } from "../../engine/base/flags.js";
import type { ShownReading } from "../end-to-end/api.js";
import { type MeterRows, rowsOf } from "../reference/meter-rows.js";
import { check, inputsUpTo, PROMISES, type Promised, p99 } from "./checker.js";
import type { AlertRow, Evidence, LoggerRecord, Seen, Wait } from "./record.js";
import { keyOf, rightAlerts } from "./right-alerts.js";
import { counterMeter, gaugeMeter, type ScriptedMeter } from "./script.js";

const START = Date.UTC(2025, 5, 1);
const FRAMES = 60;

/** A form of the evidence that may be spoilt. */
type Writable<T> = { -readonly [K in keyof T]: T[K] };
type Rows = { -readonly [K in keyof MeterRows]: Writable<MeterRows[K][number]>[] };
interface Story {
  logger: Writable<LoggerRecord> & { connections: number[][]; refused: string[]; waits: Wait[] };
  rows: Map<string, Rows>;
  alerts: Writable<AlertRow>[];
  told: string[];
  shown: Map<string, Writable<ShownReading>[]>;
  others: { beforeMs: number[]; duringMs: number[]; floorMs: number } | null;
  memory: { peakMiB: number; boundMiB: number };
  backlog: { goneMs: number | null; withinMs: number };
}

/** A datalogger with two registers and a gauge, acked all that it sent, on two connections; everything is as it should be. */
function wellDone(): Story {
  const meters: ScriptedMeter[] = [counterMeter("c0", 0, START), counterMeter("c1", 1, START), gaugeMeter("g-t0", 2, START)];
  const rows = new Map(
    meters.map((meter) => [meter.id, structuredClone(rowsOf(meter.settings, inputsUpTo(meter, FRAMES))) as Rows]),
  );
  const alerts = meters.flatMap((meter) => rightAlerts("acme", meter, FRAMES));
  const shown = rows.get("c0")!.readings.map(({ ts, flags, ...row }) => ({
    ...{ ts: new Date(ts).toISOString(), flags: flagNames(flags), ...row },
  }));
  return {
    logger: {
      ...{ name: "dl", tenant: "acme", meters, sent: FRAMES, acked: FRAMES, refused: [], waits: [] },
      connections: [
        [0, 10, 10, 20],
        [25, 40, FRAMES],
      ],
    },
    ...{ rows, alerts, told: [...alerts.map(keyOf), ...alerts.slice(0, 3).map(keyOf)], shown: new Map([["c0", shown]]) },
    others: { beforeMs: Array.from({ length: 100 }, () => 4), duringMs: Array.from({ length: 100 }, () => 7), floorMs: 1 },
    memory: { peakMiB: 300, boundMiB: 500 },
    backlog: { goneMs: 900, withinMs: 1_000 },
  };
}

function evidence({ logger, rows, alerts, told, shown, others, memory, backlog }: Story): Evidence {
  const seen: Seen = { rows, alerts, told, shown };
  return { loggers: [logger], seen: new Map([["acme", seen]]), others, memory, backlog };
}

test("where all is well nothing is found, and there is much to find", () => {
  const { findings, figures } = check(evidence(wellDone()));
  assert.deepEqual(findings, []);
  const { logger } = wellDone();
  const inputs = logger.meters.reduce((sum, meter) => sum + inputsUpTo(meter, FRAMES).length, 0);
  const transitions = wellDone().alerts.length;
  assert.ok(inputs > 150 && transitions >= 8, `${inputs} readings, ${transitions} transitions`);
  assert.deepEqual(figures, {
    ...{ sent: inputs, acked: inputs, lost: 0, duplicated: 0, wrongRows: 0, transitions, wrongTransitions: 0 },
  });
});

const WRONG: readonly [string, Promised, (story: Story) => void][] = [
  [
    "an acked frame that the store does not have",
    "what was acked is stored",
    ({ rows }) => rows.get("c0")!.readings.splice(17, 1),
  ],
  ["a meter of which nothing is stored", "what was acked is stored", ({ rows }) => rows.delete("c1")],
  [
    "an acked late reading that is missing",
    "what was acked is stored",
    ({ rows }) => {
      const late = START + 24 * 60_000;
      rows.get("c1")!.readings = rows.get("c1")!.readings.filter(({ ts }) => ts !== late);
    },
  ],
  [
    "nothing that was acked at all",
    "what was acked is stored",
    (story) => {
      Object.assign(story.logger, { sent: 0, acked: 0, connections: [[0]] });
      Object.assign(story, { alerts: [], told: [], shown: new Map(), rows: new Map() });
    },
  ],
  ["a reading's row twice", "no row is there twice", ({ rows }) => rows.get("c0")!.readings.push(rows.get("c0")!.readings[3]!)],
  [
    "a period's row twice",
    "no row is there twice",
    ({ rows }) => rows.get("c0")!.consumption.push(rows.get("c0")!.consumption[0]!),
  ],
  ["an ack that goes backwards", "acks only rise", ({ logger }) => logger.connections[0]!.push(19)],
  ["a welcome that forgets what was acked", "acks only rise", ({ logger }) => (logger.connections[1]![0] = 19)],
  ["an ack of what was never sent", "acks only rise", ({ logger }) => logger.connections[1]!.push(FRAMES + 1)],
  ["an ack that the record does not have", "acks only rise", ({ logger }) => logger.connections[1]!.pop()],
  ["a wrong period", "rows are those of the accepted readings", ({ rows }) => (rows.get("c0")!.consumption[1]!.value! += 0.001)],
  ["a wrong share", "rows are those of the accepted readings", ({ rows }) => (rows.get("c1")!.consumption[2]!.coverage -= 1e-9)],
  ["a wrong delta", "rows are those of the accepted readings", ({ rows }) => (rows.get("c1")!.readings[9]!.delta = 1)],
  ["a wrong flag", "rows are those of the accepted readings", ({ rows }) => (rows.get("c1")!.readings[9]!.flags ^= 4)],
  [
    "a correction that did not stay",
    "rows are those of the accepted readings",
    ({ rows }) => {
      const corrected = rows.get("c1")!.readings.find(({ rev }) => rev === 1)!;
      corrected.rev = 0;
    },
  ],
  [
    "a period that nobody's readings give",
    "rows are those of the accepted readings",
    ({ rows }) => {
      const [row] = rows.get("c0")!.consumption;
      rows.get("c0")!.consumption.push({ ...row!, ts: row!.ts + 40 * 86_400_000 });
    },
  ],
  ["a missing period", "rows are those of the accepted readings", ({ rows }) => rows.get("g-t0")!.consumption.pop()],
  ["a refused frame", "rows are those of the accepted readings", ({ logger }) => logger.refused.push("frame 9: malformed")],
  [
    "another value in the API than in the store",
    "rows are those of the accepted readings",
    ({ shown }) => (shown.get("c0")![5]!.value += 1),
  ],
  ["a reading that the API does not show", "rows are those of the accepted readings", ({ shown }) => shown.get("c0")!.pop()],
  ["others whose acks take three times as long", "others go on", ({ others }) => others!.duringMs.fill(12, 90)],
  ["others that are not heard at all", "others go on", ({ others }) => others!.duringMs.splice(5)],
  ["too much memory", "memory has its bound", ({ memory }) => (memory.peakMiB = 501)],
  ["a backlog that stays", "the backlog goes", ({ backlog }) => (backlog.goneMs = null)],
  ["a backlog that goes too late", "the backlog goes", ({ backlog }) => (backlog.goneMs = 1_001)],
  ["frames that were never acked", "the backlog goes", ({ logger }) => (logger.sent += 1)],
  ["a missing alert", "each alert transition once", ({ alerts }) => alerts.splice(2, 1)],
  ["an alert twice", "each alert transition once", ({ alerts }) => alerts.push(alerts[0]!)],
  ["an incident under another id", "each alert transition once", ({ alerts }) => (alerts[1]!.incident = "0123456789abcdef")],
  ["a transition at another instant", "each alert transition once", ({ alerts }) => (alerts[1]!.ts += 60_000)],
  ["an alert with another value", "each alert transition once", ({ alerts }) => (alerts[1]!.value = 0)],
  [
    "a transition that nobody was told of",
    "each alert transition once",
    ({ told, alerts }) => {
      const key = keyOf(alerts[4]!);
      for (let at = told.indexOf(key); at >= 0; at = told.indexOf(key)) told.splice(at, 1);
    },
  ],
  ["a transition told under a key of its own", "each alert transition once", ({ told }) => told.push(`${told[0]}0`)],
];

for (const [wrong, promise, spoil] of WRONG) {
  test(`found out: ${wrong}`, () => {
    const story = wellDone();
    spoil(story);
    const found = check(evidence(story)).findings.map((finding) => finding.promise);
    assert.ok(found.includes(promise), `${promise} is not among ${JSON.stringify(found)}`);
  });
}

test("every promise is broken by some of these", () => {
  const broken = new Set(WRONG.map(([, promise]) => promise));
  assert.deepEqual(
    PROMISES.filter((promise) => !broken.has(promise)),
    [],
  );
});

test("frames that were sent and not acked may be stored or not", () => {
  for (const stored of [FRAMES - 1, FRAMES]) {
    const story = wellDone();
    Object.assign(story.logger, { acked: FRAMES - 1, connections: [[0, FRAMES - 1]] });
    for (const meter of story.logger.meters)
      story.rows.set(meter.id, structuredClone(rowsOf(meter.settings, inputsUpTo(meter, stored))) as Rows);
    story.alerts = story.logger.meters.flatMap((meter) => rightAlerts("acme", meter, stored));
    const found = check(evidence(story)).findings.map(({ promise }) => promise);
    assert.deepEqual(found, ["the backlog goes"], "only that it was not acked");
  }
});

test("p99 is what 99 of 100 do not exceed", () => {
  assert.equal(p99(Array.from({ length: 100 }, (_, i) => i)), 99);
  assert.equal(p99(Array.from({ length: 1000 }, (_, i) => i)), 990);
  assert.ok(Number.isNaN(p99([])));
});
