import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { globMatches, globsMeet } from "../../engine/base/glob.js";

test("two patterns meet where some text matches both", () => {
  for (const [a, b] of [
    ["*", "main-1"],
    ["main-*", "*-1"],
    ["a?c", "?b*"],
    ["", "*"],
    ["*x*", "a*"],
  ] as const) {
    assert.ok(globsMeet(a, b) && globsMeet(b, a), `${a} and ${b}`);
  }
  for (const [a, b] of [
    ["main-*", "gas-*"],
    ["a?", "a"],
    ["*1", "*2"],
    ["", "?"],
  ] as const) {
    assert.ok(!globsMeet(a, b) && !globsMeet(b, a), `${a} and ${b}`);
  }
});

test("patterns meet exactly where one of all short texts matches both", () => {
  // Patterns of at most three letters meet, if anywhere, in a text of at most six.
  const texts = [""];
  for (let i = 0; (texts[i]?.length ?? 9) < 6; i++) texts.push(`${texts[i]}a`, `${texts[i]}b`);
  const pattern = fc.string({ unit: fc.constantFrom("a", "b", "*", "?"), maxLength: 3 });
  fc.assert(
    fc.property(pattern, pattern, (a, b) => {
      assert.equal(
        globsMeet(a, b),
        texts.some((text) => globMatches(a, text) && globMatches(b, text)),
      );
    }),
  );
});
