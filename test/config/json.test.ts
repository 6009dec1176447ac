import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseJson } from "../../engine/config/json.js";

const places: [string, string][] = [
  ["", "the end of the file at line 1, column 1"],
  ['{"a":1,\n  "b": tru }', '"t" at line 2, column 8'],
  ['{"a":1\n "b":2}', '"\\"" at line 2, column 2'],
  ['{\n\n\t"a" 1}', '"1" at line 3, column 6'],
  ['{"a":[1,2,]}', '"]" at line 1, column 11'],
  ['{"a":1,}', '"}" at line 1, column 8'],
  ["{a:1}", '"a" at line 1, column 2'],
  ['{"a":"x\ny"}', '"\\n" at line 1, column 8'],
  ['{"a":"\\q"}', '"\\\\" at line 1, column 7'],
  ['{"a":1} x', '"x" at line 1, column 9'],
  ['{"a":01}', '"1" at line 1, column 7'],
  ['{"a":1 // why\n}', '"/" at line 1, column 8'],
  ['{"a":"open', "the end of the file at line 1, column 11"],
];

for (const [text, found] of places) {
  test(`names the place of ${JSON.stringify(text)}`, () => {
    const result = parseJson(text);
    assert.equal("value" in result, false);
    assert.deepEqual(
      result.faults.map((fault) => [fault.path, fault.found]),
      [["", found]],
    );
  });
}

test("a name that comes twice is found where it is", () => {
  const result = parseJson('{"tenants":[{"id":"a"},{"id":"b","keys":[],"id":"c"}]}');
  assert.deepEqual(result.faults, [
    {
      path: "tenants[1].id",
      found: "the same name twice in one object",
      allowed: "each name once",
      remedy: "Remove one of them: only the last would count.",
    },
  ]);
});

test("the same name in neighbouring objects is fine, and a byte order mark is none of our business", () => {
  assert.deepEqual(parseJson('\ufeff[{"a":1},{"a":2}]'), { value: [{ a: 1 }, { a: 2 }], faults: [] });
});

test("nesting without end is refused, not followed", () => {
  assert.equal("value" in parseJson("[".repeat(100_000)), false);
});

test("takes exactly what JSON.parse takes", () => {
  const damaged = fc
    .tuple(fc.json({ maxDepth: 4 }), fc.nat(), fc.constantFrom("", ",", "}", '"', "\\", "0", "-", ".", "e", " ", "\u0001", "]"))
    .map(([text, at, put]) => {
      const place = at % (text.length + 1);
      return text.slice(0, place) + put + text.slice(place + 1);
    });
  fc.assert(
    fc.property(fc.oneof(fc.json({ maxDepth: 4 }), damaged), (text) => {
      let expected: unknown;
      let valid = true;
      try {
        expected = JSON.parse(text);
      } catch {
        valid = false;
      }
      const result = parseJson(text);
      assert.equal("value" in result, valid);
      if ("value" in result) assert.deepEqual(result.value, expected);
    }),
    { numRuns: 2000 },
  );
});
