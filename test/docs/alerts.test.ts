import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../engine/base/package-root.js";
import { parseConfig, parseRule } from "../../engine/config/load.js";

const page = readFileSync(join(packageRoot, "docs", "ALERTS.md"), "utf8");

function block(kind: string, text: string): string {
  const found = [...page.matchAll(/```(\w*)\n([\s\S]*?)```/g)].filter((match) => match[1] === kind && match[2]!.includes(text));
  assert.equal(found.length, 1, `${found.length} blocks of kind "${kind}" hold ${text}`);
  return found[0]![2]!;
}

test("the rules and webhooks that the page shows are what a configuration may say", () => {
  const rules = JSON.parse(`{${block("json", '"rules"')}}`) as { rules: object[] };
  const webhooks = JSON.parse(`{${block("json", '"webhooks"')}}`) as object;
  assert.ok(rules.rules.length > 0);
  const result = parseConfig({ tenants: [{ id: "acme", meters: [{ match: "*" }], ...rules, ...webhooks }] }, "ALERTS.md");
  assert.deepEqual("faults" in result ? result.faults : [], []);
});

test("the rule that the page puts is one", () => {
  const body = /-d '([^']*)'/.exec(block("", "curl -X PUT"))?.[1];
  const read = parseRule(JSON.parse(body ?? "null"));
  assert.ok("rule" in read, JSON.stringify(read));
  assert.ok(block("", "curl -X PUT").includes(`/v1/rules/${read.rule.id} `));
});

test("the page says what each field of a rule is, and no other", () => {
  const fields = [...page.matchAll(/^\| ((?:`\w+`(?:, )?)+) \|/gm)].flatMap((match) =>
    [...match[1]!.matchAll(/`(\w+)`/g)].map(([, name]) => name),
  );
  const known = ["id", "meters", "on", "op", "threshold", "clear", "levels", "severity", "for", "keepFiring", "schedule", "flag"];
  assert.deepEqual(fields.sort(), known.sort());
});
