import assert from "node:assert/strict";
import { test } from "node:test";
import type { Rule } from "../../engine/base/settings.js";
import { AlertState } from "../../workers/kernels/alert.js";
import { AlertBook } from "../../workers/state/alerts.js";
import { Harness, rule, settings, type Transition } from "./reading-along.js";

const MINUTE = 60_000;
const T0 = Date.UTC(2026, 0, 5);

function harness(rules: Rule[]): Harness {
  const made = new Harness();
  made.book.setRules(0, "acme", rules);
  made.book.open(0, 0, "m1", settings({ kind: "gauge" }));
  return made;
}

const short = (transitions: Transition[]) => transitions.map(({ ts, state, value }) => [(ts - T0) / MINUTE, state, value]);

test("rules that stay keep their state, whatever comes and goes beside them", () => {
  const pending = rule({ id: "p", forMs: 10 * MINUTE });
  const made = harness([rule({ id: "gone" }), pending, rule({ id: "kept" })]);
  assert.deepEqual(
    made.live(0, { ts: T0, value: 11 }).map((t) => t.rule),
    ["gone", "kept"],
  );
  made.book.setRules(0, "acme", [rule({ id: "new" }), rule({ id: "kept", severity: "info" }), pending]);
  assert.deepEqual(
    made.live(0, { ts: T0 + 10 * MINUTE, value: 11 }).map((t) => [t.rule, t.state]),
    [
      ["new", "firing"],
      ["kept", "firing"],
      ["p", "firing"],
      ["gone", "resolved"],
    ],
    "a rule that went resolves what it left behind, once, and one that is graver or less so now says so",
  );
  assert.deepEqual(
    made.live(0, { ts: T0 + 15 * MINUTE, value: 1 }).map((t) => [t.rule, t.state, t.severity]),
    [
      ["new", "resolved", "warning"],
      ["kept", "resolved", "info"],
      ["p", "resolved", "warning"],
    ],
  );
  made.book.setRules(0, "acme", []);
  assert.equal(made.book.watches(0), false);
  assert.deepEqual(made.book.rulesOf(0), []);
});

test("a pending condition that was changed begins anew, an incident goes on", () => {
  const made = harness([rule({ id: "p", forMs: 10 * MINUTE }), rule({ id: "f" })]);
  made.live(0, { ts: T0, value: 11 });
  assert.deepEqual(
    made.book.states(0).map(({ rule: { id }, state, since }) => [id, state, since]),
    [
      ["p", AlertState.PENDING, T0],
      ["f", AlertState.FIRING, T0],
    ],
  );
  made.book.setRules(0, "acme", [rule({ id: "p", forMs: 10 * MINUTE, threshold: 9 }), rule({ id: "f", threshold: 5 })]);
  assert.deepEqual(made.live(0, { ts: T0 + 10 * MINUTE, value: 11 }), []);
  assert.deepEqual(short(made.live(0, { ts: T0 + 20 * MINUTE, value: 6 })), []);
});

test("a restart under other rules is as if they had been set before it", () => {
  const rules = [rule({ id: "gone" }), rule({ id: "kept" })];
  const made = harness(rules);
  made.live(0, { ts: T0, value: 11 });
  made.restart((book) => {
    book.setRules(0, "acme", [rule({ id: "kept" })]);
    book.open(0, 0, "m1", settings({ kind: "gauge" }));
  });
  assert.deepEqual(
    made.live(0, { ts: T0 + MINUTE, value: 12 }).map((t) => [t.rule, t.state]),
    [["gone", "resolved"]],
  );
  assert.deepEqual(
    made.live(0, { ts: T0 + 2 * MINUTE, value: 1 }).map((t) => [t.rule, t.state]),
    [["kept", "resolved"]],
  );
});

test("thousands of meters keep apart, also when rules go and come back", () => {
  const made = new Harness();
  const meters = 3000;
  const two = [rule({ id: "a", threshold: 10 }), rule({ id: "b", on: "hour", threshold: 5 })];
  const open = (list: Rule[]) => (book: AlertBook) => {
    book.setRules(0, "acme", list);
    for (let meter = 0; meter < meters; meter++) book.open(meter, 0, `m${meter}`, settings({ kind: "power" }));
  };
  open(two)(made.book);
  const round = (minute: number, fires: (meter: number) => boolean) =>
    Array.from({ length: meters }, (_, meter) => {
      const amount = fires(meter) ? 11 : 0;
      return made.live(meter, { ts: T0 + minute * MINUTE, value: amount, hour: amount }).length;
    }).reduce((sum, n) => sum + n, 0);
  assert.equal(
    round(0, (meter) => meter % 3 === 0),
    2000,
  );
  made.restart(open(two));
  assert.equal(
    round(1, (meter) => meter % 3 === 0),
    0,
  );
  assert.equal(
    round(2, () => false),
    2000,
  );
  made.book.setRules(0, "acme", []);
  assert.equal(
    round(3, () => true),
    0,
  );
  made.book.setRules(0, "acme", [rule({ id: "c", meters: "m1*" }), ...two]);
  assert.equal(
    round(4, (meter) => meter % 2 === 0),
    3000 + Array.from({ length: 1500 }, (_, n) => `${2 * n}`).filter((id) => id.startsWith("1")).length,
  );
});

test("a damaged snapshot is refused", () => {
  const made = harness([rule({})]);
  made.live(0, { ts: T0, value: 11 });
  const [head, body] = made.book.snapshot();
  const restore = (pieces: Uint8Array[]) => {
    const book = new AlertBook();
    book.setRules(0, "acme", [rule({})]);
    book.open(0, 0, "m1", settings({ kind: "gauge" }));
    book.restore(pieces);
  };
  const elsewhere = new Uint8Array(new Float64Array([5, 0, 0, 0, 0, 0, 0]).buffer);
  restore([head!, body!]);
  for (const pieces of [
    [],
    [body!],
    [head!, body!.slice(8)],
    [head!, body!.slice(0, -8)],
    [head!, body!.slice(3)],
    [head!, elsewhere],
  ])
    assert.throws(() => restore(pieces), { code: "snapshot_damaged" });
});
