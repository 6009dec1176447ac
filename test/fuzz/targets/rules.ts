import assert from "node:assert/strict";
import { parseRule } from "../../../engine/config/load.js";
import { parseRuleBook } from "../../../engine/config/rule-book.js";
import { ruleForm } from "../../../engine/config/rule-form.js";
import { mutateJson } from "../mutate-json.js";
import { bytesOf, orRefusal, type Target, textIn } from "../target.js";

const schedule = { days: [1, 2, 3], from: "22:00", to: "06:00" };
const rate = {
  id: "a",
  meters: "main-*",
  on: "rate",
  op: ">",
  threshold: 40,
  clear: 30,
  for: "10m",
  schedule,
  severity: "critical",
};
const levels = [
  { severity: "info", threshold: 5 },
  { severity: "critical", threshold: 9 },
];
const rules = [
  rate,
  { id: "b", meters: "*", on: "nodata", for: "1h" },
  { id: "c", meters: "*", on: "flag", flag: "RESET" },
  { id: "d", meters: "*", on: "value", op: ">", levels, keepFiring: "5m" },
];

function book(said: Record<string, unknown>): string {
  return JSON.stringify({ format: 1, tenants: said });
}

/** A rule, and what the engine keeps of rules that were put while it ran: both are read from every input. */
function run(input: Uint8Array): void {
  const text = textIn(input);
  const read = orRefusal(() => parseRuleBook(text, "rules.json"));
  if (!(read instanceof Error)) {
    const written = read.text();
    assert.equal(parseRuleBook(written, "rules.json").text(), written, "what is kept is read back as something else");
    const tenants = [{ id: "acme", rules: [] }];
    read.overruledBy(tenants).book.laidOver(tenants);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return;
  }
  const result = parseRule(json);
  if ("faults" in result) assert.ok(result.faults.length > 0);
  else {
    const again = parseRule(JSON.parse(JSON.stringify(ruleForm(result.rule))));
    assert.deepEqual(again, result, "the rule is not what its own form says");
  }
}

export function open(): Target {
  const said = { acme: rules.slice(0, 2).map((rule) => ({ rule, over: null })), b: [{ rule: null, over: rules[2] }] };
  const seeds = [...rules.map((rule) => JSON.stringify(rule)), book(said), book({})].map(bytesOf);
  return { name: "rules", seeds, mutate: mutateJson, run };
}
