import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseConfig, parseRule } from "../../engine/config/load.js";
import { parseRuleBook, RuleBook } from "../../engine/config/rule-book.js";
import { ruleForm } from "../../engine/config/rule-form.js";
import type { RuleConfig } from "../../engine/config/schema-rules.js";

function rule(id: string, threshold: number): RuleConfig {
  const read = parseRule({ id, on: "value", op: ">", threshold });
  assert.ok("rule" in read);
  return read.rule;
}

function acme(...rules: RuleConfig[]) {
  return { id: "acme", rules };
}

/** "id threshold source" of each rule. */
function listed(book: RuleBook, tenant: ReturnType<typeof acme>): string[] {
  return book.list(tenant).map(({ source, rule: { id, threshold } }) => `${id} ${threshold} ${source}`);
}

test("what was put stands in the place of the configured rule, what was deleted is out of force, and both survive being written", () => {
  const tenant = acme(rule("a", 1), rule("b", 2), rule("c", 3));
  let book = new RuleBook();
  book = book.say(tenant, "a", rule("a", 10)).say(tenant, "b", null).say(tenant, "new", rule("new", 4));
  for (const each of [book, parseRuleBook(book.text(), "rules.json")]) {
    assert.deepEqual(listed(each, tenant), ["a 10 api", "b 2 deleted", "c 3 configuration", "new 4 api"]);
    assert.deepEqual(
      each.laidOver([tenant])[0]!.rules.map(({ id, threshold }) => `${id} ${threshold}`),
      ["a 10", "c 3", "new 4"],
    );
    assert.deepEqual(each.overruledBy([tenant]).dropped, []);
  }
  assert.deepEqual(listed(book.say(tenant, "b", rule("b", 20)), tenant)[1], "b 20 api", "put again");
  assert.deepEqual(listed(book.say(tenant, "new", null), tenant).length, 3, "one of its own leaves nothing behind");
  assert.deepEqual(
    listed(book.say(tenant, "a", null), tenant)[0],
    "a 1 deleted",
    "nor does what was put bring the configured one back",
  );
});

test("of a rule the last word counts: where the configuration says something else than it did, that is in force", () => {
  const before = acme(rule("a", 1), rule("b", 2), rule("c", 3));
  const said = new RuleBook()
    .say(before, "a", rule("a", 10))
    .say(before, "b", null)
    .say(before, "c", rule("c", 30))
    .say(before, "d", rule("d", 40))
    .say(before, "e", rule("e", 50));
  const after = acme(rule("a", 1), rule("b", 22), rule("d", 4));
  const { book, dropped } = said.overruledBy([after]);
  assert.deepEqual(
    dropped.map(({ rule: id }) => id),
    ["b", "c", "d"],
  );
  assert.deepEqual(listed(book, after), ["a 10 api", "b 22 configuration", "d 4 configuration", "e 50 api"]);
  assert.deepEqual(listed(said.overruledBy([]).book, before), listed(said, before), "a client that is away keeps what was said");
});

test("a file that cannot be read says so and how to go on", () => {
  for (const text of ["", "{}", '{"format":2,"tenants":{}}', '{"format":1,"tenants":{"a":[{"rule":{"id":"x"},"over":null}]}}'])
    assert.throws(() => parseRuleBook(text, "data/rules.json"), {
      code: "rules_unreadable",
      message: /^data\/rules\.json, .* remove it/,
    });
});

test("a threshold of minus zero is zero", () => {
  const read = parseRule({ id: "r", on: "value", op: ">", threshold: -0, clear: -0 });
  assert.ok("rule" in read, JSON.stringify(read));
  assert.deepEqual(
    [read.rule.threshold, read.rule.clear].map((zero) => Object.is(zero, 0)),
    [true, true],
  );
});

test("the written form of any rule is read as the same rule", () => {
  const wait = fc.nat(366 * 86_400_000).map((ms) => `${ms}ms`);
  const minute = fc.nat(1439).map((at) => `${String(Math.floor(at / 60)).padStart(2, "0")}:${String(at % 60).padStart(2, "0")}`);
  const schedule = fc.option(fc.record({ days: fc.subarray([1, 2, 3, 4, 5, 6, 7], { minLength: 1 }), from: minute, to: minute }));
  const damped = { for: wait, keepFiring: wait, schedule };
  const on = fc.constantFrom("value", "delta", "rate", "quarter", "hour", "day");
  const severity = fc.constantFrom("info", "warning", "critical");
  const finite = fc.double({ noDefaultInfinity: true, noNaN: true });
  const op = fc.constantFrom(">", ">=", "<", "<=");
  const one = fc.record({ on, op, threshold: finite, ...damped, severity });
  const levels = fc
    .uniqueArray(fc.integer(), { minLength: 2, maxLength: 3 })
    .map((found) =>
      found.sort((a, b) => a - b).map((threshold, i) => ({ severity: ["info", "warning", "critical"][i], threshold })),
    );
  const several = fc.record({ on, op: fc.constant(">="), levels, ...damped });
  const flag = fc.record({ on: fc.constant("flag"), flag: fc.constantFrom("RESET", "SPIKE"), ...damped, severity });
  const nodata = fc.record({ on: fc.constant("nodata"), for: wait, schedule, severity });
  fc.assert(
    fc.property(fc.oneof(one, several, flag, nodata), (fields) => {
      const read = parseRule({ id: "r", ...fields });
      assert.ok("rule" in read, JSON.stringify(read));
      const again = parseRule(JSON.parse(JSON.stringify(ruleForm(read.rule))));
      assert.deepEqual(again, read);
      assert.ok(
        "config" in
          parseConfig({ tenants: [{ id: "a", meters: [{ match: "*", expect: "1h" }], rules: [ruleForm(read.rule)] }] }, "x"),
      );
    }),
  );
});
