import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfig } from "../../engine/config/load.js";

const SHA = "ab".repeat(32);

test("a rule on quarters that no meter has is warned about", () => {
  const rules = [{ id: "q", on: "quarter", op: ">", threshold: 1 }];
  const keys = [{ id: "k", sha256: SHA, role: "admin" }];
  const warnings = (meters: object[]) => {
    const result = parseConfig({ tenants: [{ id: "a", keys, rules, meters }] }, "x");
    assert.ok("config" in result);
    return result.warnings.map(({ path }) => path);
  };
  assert.deepEqual(warnings([{ match: "*", maxRate: 9 }]), ["tenants[0].rules[0].on"]);
  assert.deepEqual(warnings([{ match: "*", maxRate: 9, periods: ["quarter"] }]), []);
  assert.deepEqual(warnings([{ match: "x", maxRate: 9, periods: ["quarter"] }]), ["tenants[0].meters"]);
});

test("a rule on missing data is warned about for meters of which nothing says when a reading is due", () => {
  const keys = [{ id: "k", sha256: SHA, role: "admin" }];
  const warnings = (rule: object, meters: object[]) => {
    const rules = [{ id: "silent", on: "nodata", ...rule }];
    const entries = meters.map((meter) => ({ maxRate: 9, ...meter }));
    const result = parseConfig({ tenants: [{ id: "a", keys, rules, meters: entries }] }, "x");
    assert.ok("config" in result);
    return result.warnings.filter(({ path }) => path.startsWith("tenants[0].rules"));
  };
  const path = "tenants[0].rules[0].for";
  const mixed = [{ match: "main-*", expect: "15m" }, { match: "gas-*" }, { match: "*", expect: "1h" }];
  assert.deepEqual(warnings({}, mixed), [
    { path, message: 'neither the rule says `for` nor meters[1] ("gas-*") `expect`: for those it never fires' },
  ]);
  assert.deepEqual(warnings({ meters: "main-*" }, mixed), []);
  assert.deepEqual(warnings({ for: "2h" }, mixed), []);
  assert.deepEqual(warnings({}, mixed.slice(0, 2)), [
    {
      path,
      message:
        'neither the rule says `for` nor meters[1] ("gas-*") nor meters that match no entry `expect`: for those it never fires',
    },
  ]);
});
