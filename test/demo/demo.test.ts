import assert from "node:assert/strict";
import test from "node:test";
import { pino } from "pino";
import { DEMO_CLIENTS } from "../../engine/demo/clients.js";
import { type Demo, runDemo } from "../../engine/demo/demo.js";
import { HOUR_MS, readRecorded } from "../../engine/demo/recorded.js";
import { temporaryDirectory, until } from "../support/servers.js";

const HOURS = 24 * 12;

interface Period {
  ts: string;
  localDate: string;
  value: number;
  coverage: number;
  flags: string[];
}

async function ask<T>(demo: Demo, tenant: string, path: string): Promise<T> {
  const response = await fetch(`${demo.url}${path}`, { headers: { authorization: `Bearer ${demo.tokens.get(tenant)}` } });
  assert.equal(response.status, 200, await response.clone().text());
  return (await response.json()) as T;
}

test("the demo streams its series, every day comes out as recorded, and alerts are raised", async (t) => {
  const lines: string[] = [];
  const demo = await runDemo({
    ...{ dataDir: temporaryDirectory("demo"), port: 18_080, hoursPerSecond: 24 * 30, maxHours: HOURS, linesEveryMs: 100 },
    log: pino({ level: "silent" }),
    print: (line) => lines.push(line),
  });
  t.after(() => demo.close());
  assert.ok(lines.some((line) => line.includes(`${demo.url}/#token=thames-homes.console.`)));
  await demo.finished;
  await until("a line tells of readings, a meter and alerts", 10_000, () =>
    lines.find((line) => /^[\d,]+ readings\/s, [\d,]+ acked \| .* \| (?:no alert yet|\d+ firing, latest)/.test(line)),
  );

  const { thousandths, startMs } = readRecorded("chicago-electricity");
  // The tower "north" is the recorded household itself. Chicago is six hours behind UTC in all these days.
  const days: Period[] = await until("the days are stored", 20_000, async () => {
    const found = await ask<Period[]>(demo, "lakeside-property", "/v1/meters/elec-north/consumption?period=day");
    return found.length === HOURS / 24 && found;
  });
  assert.equal(startMs, Date.UTC(2015, 10, 22, 6));
  assert.deepEqual(
    // The first reading comes an hour after the first day's begin, and what was used before it is not known.
    days.slice(1).map(({ localDate, value, coverage, flags }) => ({ localDate, value, coverage, flags })),
    Array.from({ length: HOURS / 24 - 1 }, (_, i) => {
      const from = (i + 1) * 24;
      const sum = thousandths.slice(from, from + 24).reduce((a, b) => a + b, 0);
      return {
        localDate: new Date(startMs + from * HOUR_MS).toISOString().slice(0, 10),
        value: sum / 1000,
        coverage: 1,
        flags: [],
      };
    }),
  );

  type Row = { ts: string; value: number; delta: number | null; flags: string[] };
  // All is acked, which is not to say that the store shows it.
  const readings: Row[] = await until("the readings are stored", 20_000, async () => {
    const found = await ask<Row[]>(demo, "thames-homes", "/v1/meters/flat-05/readings?limit=10000");
    return found.length === HOURS && found;
  });
  const spikes = readings.filter(({ flags }) => flags.includes("SPIKE"));
  assert.deepEqual(
    spikes.map(({ value, delta }) => ({ value, delta })),
    // At noon of the first day and of the tenth.
    Array(2).fill({ value: 0, delta: 0 }),
  );
  assert.ok(readings.every(({ delta, flags }) => (delta === null ? flags.includes("FIRST") : delta >= 0)));
  const alerts = await ask<object[]>(demo, "lakeside-property", "/v1/alerts");
  assert.ok(alerts.length > 0, "twelve days of Chicago raise an alert");
  const meters = await ask<{ meter: string }[]>(demo, "thames-homes", "/v1/meters");
  assert.equal(meters.length, DEMO_CLIENTS[0]?.sites.flatMap((site) => site.meters).length);
});
