import assert from "node:assert/strict";
import type { IncidentFilter, IncidentRow } from "../../engine/store/interface.js";
import { HOUR, type OpenStore, T0, unit, written } from "./rows.js";
import type { TestNames } from "./test-names.js";

const DAY = 24 * HOUR;
const NEWER = 10_500;
const EVER = { from: T0 - 1000 * DAY, to: T0 + 1000 * DAY };

const id = (low: number) => low.toString(16).padStart(16, "0");

function incident(low: number, more: Partial<IncidentRow>): IncidentRow {
  const same = { meter: "m1", rule: "r1", state: "firing", severity: "warning", worst: "warning", resolved: null } as const;
  return { incident: id(low), ...same, ts: T0, value: low, threshold: 10, ...more };
}

/** What incidents of a filter are by their ids. */
function asked(open: OpenStore, tenant = "acme") {
  return async (filter: Partial<IncidentFilter>) =>
    (await open.store.incidents(tenant, { ...EVER, limit: 100, ...filter })).map((row) => Number.parseInt(row.incident, 16));
}

/**
 * By days: 1 ─ opened at −20, climbed at −5 and −4, still open; 2 ─ −10 to −9; 3 ─ silent meter, from −8 to −2;
 * and from 0 on more than a page of others, one minute each.
 */
async function manyNewer(open: OpenStore, names: TestNames): Promise<void> {
  const [m1, m2] = [names.meterNumber("acme", "m1"), names.meterNumber("acme", "m2")];
  const [r1, r2] = [names.ruleNumber("r1"), names.ruleNumber("r2")];
  const old = unit((w) => {
    w.alert(m1, r1, T0 - 20 * DAY, 1, 10, true, 1, 1, 0);
    w.alert(m1, r1, T0 - 5 * DAY, 99, 90, true, 2, 1, 0);
    w.alert(m1, r1, T0 - 4 * DAY, 50, 40, true, 0, 1, 0);
    w.alert(m1, r2, T0 - 10 * DAY, 2, 10, true, 1, 2, 0);
    w.alert(m1, r2, T0 - 9 * DAY, 1, 10, false, 1, 2, 0);
    w.alert(m2, r1, T0 - 8 * DAY, Number.NaN, Number.NaN, true, 0, 3, 0);
    w.alert(m2, r1, T0 - 7 * DAY, Number.NaN, Number.NaN, true, 2, 3, 0);
    w.alert(m2, r1, T0 - 2 * DAY, 7, Number.NaN, false, 2, 3, 0);
  });
  const newer = unit((w) => {
    for (let i = 0; i < NEWER; i++) {
      w.alert(m2, r2, T0 + i * 120_000, i, 10, true, 1, 1000 + i, 0);
      w.alert(m2, r2, T0 + i * 120_000 + 60_000, 0, 10, false, 1, 1000 + i, 0);
    }
  });
  await written(open, old, newer);
}

export async function incidentsBehindOthers(open: OpenStore, names: TestNames): Promise<void> {
  await manyNewer(open, names);
  const ids = asked(open);
  const climbed = incident(1, { ts: T0 - 20 * DAY, severity: "info", worst: "critical" });
  const over = incident(2, { ts: T0 - 10 * DAY, rule: "r2", state: "resolved", resolved: T0 - 9 * DAY });
  const silent = incident(3, {
    ...{ ts: T0 - 8 * DAY, meter: "m2", state: "resolved", severity: "critical", worst: "critical", resolved: T0 - 2 * DAY },
    ...{ value: null, threshold: null },
  });
  const all = await open.store.incidents("acme", { from: T0 - 30 * DAY, to: T0, limit: 10 });
  assert.deepEqual(all, [climbed, over, silent]);
  // An old range, with more than 10,000 transitions behind it.
  assert.deepEqual(await ids({ from: T0 - 11 * DAY, to: T0 - 9 * DAY }), [1, 2]);
  assert.deepEqual(await ids({ from: T0 - 30 * DAY, to: T0 - 20 * DAY }), [], "it opened as the range ended");
  assert.deepEqual(await ids({ from: T0 - 9 * DAY, to: T0 - 8 * DAY }), [1], "it ended as the range began");
  // What is open for long, with so many others since.
  assert.deepEqual(await ids({ state: "firing" }), [1]);
  assert.deepEqual(await ids({ state: "firing", from: T0 + DAY }), [1]);
  // Its change of level within the range is not its opening.
  assert.deepEqual(await open.store.incidents("acme", { from: T0 - 6 * DAY, to: T0 - 5 * DAY + 1, limit: 10 }), [
    climbed,
    silent,
  ]);
  assert.deepEqual(await ids({ state: "resolved", to: T0 }), [2, 3]);
  assert.deepEqual(await ids({ meter: "m1" }), [1, 2]);
  assert.deepEqual(await ids({ meter: "m2", rule: "r1" }), [3]);
  assert.deepEqual(await ids({ rule: "' OR ''='" }), []);
  assert.deepEqual(await asked(open, "other")({}), []);
}

export async function incidentsByPages(open: OpenStore, names: TestNames): Promise<void> {
  await manyNewer(open, names);
  const ids = asked(open);
  const newest = 1000 + NEWER - 1;
  assert.deepEqual(await ids({ limit: 2 }), [newest - 1, newest]);
  const seen: number[] = [];
  for (let before: IncidentFilter["before"]; ; ) {
    const page = await open.store.incidents("acme", { ...EVER, limit: 1000, ...(before === undefined ? {} : { before }) });
    if (page.length === 0) break;
    seen.unshift(...page.map((row) => Number.parseInt(row.incident, 16)));
    before = { ts: page[0]!.ts, incident: page[0]!.incident };
  }
  assert.deepEqual(seen, [1, 2, 3, ...Array.from({ length: NEWER }, (_, i) => 1000 + i)]);
}

export async function incidentsAtOneInstant(open: OpenStore, names: TestNames): Promise<void> {
  const meter = names.meterNumber("acme", "m1");
  const rule = names.ruleNumber("r1");
  await written(
    open,
    unit((w) => {
      for (const low of [1, 2, 3]) w.alert(meter, rule, T0, low, 10, true, 1, low, 0);
      w.alert(meter, rule, T0, 4, 10, false, 1, 2, 0);
      // Whose opening is no longer there.
      w.alert(meter, rule, T0 + 1, 4, 10, false, 1, 9, 0);
    }),
  );
  const ids = asked(open);
  assert.deepEqual(await open.store.incidents("acme", { from: T0, to: T0 + 1, limit: 10 }), [
    incident(1, {}),
    incident(2, { state: "resolved", resolved: T0 }),
    incident(3, {}),
  ]);
  assert.deepEqual(await ids({ from: T0 + 1 }), [1, 3]);
  assert.deepEqual(await ids({ limit: 1 }), [3]);
  assert.deepEqual(await ids({ before: { ts: T0, incident: id(3) } }), [1, 2]);
  assert.deepEqual(await ids({ before: { ts: T0, incident: id(1) } }), []);
  assert.deepEqual(await ids({ from: T0, to: T0 }), [], "an empty range has no instant");
  assert.deepEqual(await ids({ from: T0 + 5, to: T0 + 5 }), []);
}
