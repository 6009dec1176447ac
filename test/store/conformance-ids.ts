import assert from "node:assert/strict";
import fc from "fast-check";
import { Kind } from "../../engine/base/entries.js";
import { always, long, type OpenStore, reading, T0, unit, written } from "./rows.js";
import type { TestNames } from "./test-names.js";

/** Ids that are legal and mean something to a protocol or a query language on their way. */
export const hostile = [
  ...[
    "a b",
    "a,b",
    "a=b",
    'a"b',
    "a\\b",
    "a'b",
    "😀",
    "é",
    " ",
    "\\",
    "''",
    '"',
    "\\ ",
    "\\,",
    "$1",
    "%27",
    "\u2028",
    "\ufeffa",
    "a\u00a0",
  ].map(long),
  ...[
    "' OR '1'='1",
    "'; DROP TABLE readings; --",
    "x' UNION SELECT * FROM alerts --",
    "m1\\",
    "\\'",
    "/*",
    "--",
    "null",
    "a",
    "A",
  ],
];

export async function hostileIds(open: OpenStore, names: TestNames): Promise<void> {
  const random = fc.sample(fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 }), { numRuns: 60, seed: 7 });
  const visible = random.filter((id) => !/\p{Cc}/u.test(id));
  const ids = [...new Set([...hostile, ...visible])];
  assert.ok(ids.length > 60, "most random ids are tried");
  const logger = names.dataloggerNumber("acme", long('dl ",=\\😀'));
  const rule = names.ruleNumber(long("rule ',=\\ \""));
  const entries = unit((w) => {
    ids.forEach((id, i) => {
      const meter = names.meterNumber("acme", id);
      w.reading(Kind.READING, meter, T0, i, i / 8, 0, 0);
      w.period(meter, 2, T0, i, i, i, 1, i, 0);
      w.alert(meter, rule, T0, i, 0, true, 0, i, 0);
      w.reject(logger, 1, T0, 1, i, id, new TextEncoder().encode(id));
    });
  });
  await written(open, entries);
  const { store } = open;
  for (const [i, id] of ids.entries()) {
    assert.deepEqual(await store.readings("acme", id, always, 10), [reading(T0, i, i / 8)], JSON.stringify(id));
    assert.equal((await store.consumption("acme", id, "day", always, 10))[0]?.readings, i, JSON.stringify(id));
    const alerts = await store.alerts("acme", { ...always, meter: id, rule: names.rule(rule), limit: 10 });
    assert.deepEqual(
      alerts.map((row) => [row.meter, row.value]),
      [[id, i]],
    );
  }
  const rejected = await store.rejected("acme", always, 1000);
  assert.deepEqual(
    rejected.map((row) => [row.meter, row.raw]),
    ids.map((id) => [id, id]),
  );
  assert.equal(rejected[0]?.datalogger, names.datalogger(logger).id);
  assert.deepEqual(await store.readings("' OR '1'='1", "a", always, 10), []);
  assert.deepEqual(await store.alerts("acme", { ...always, rule: "' OR ''='", limit: 10 }), []);
  // A half of a surrogate pair cannot be stored, and asking for it is not an error.
  assert.deepEqual(await store.readings("acme", "\ud800", always, 10), []);
  await store.check();
}
