import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodeBinaryFrame, encodeBindFrame, encodeBindFrames, encodeTextFrame } from "../../engine/client/frames.js";

test("a binary readings frame has the contract's bytes", () => {
  const frame = encodeBinaryFrame(2 ** 32 * 3 + 7, [{ alias: 5, rev: 2, ts: 1767225600000, value: -1.5 }]);
  assert.equal(
    frame.toString("hex"),
    ["01", "01", "0000", "01000000", "0700000003000000", "05000000", "02000000", "000080aa6db77942", "000000000000f8bf"].join(""),
  );
});

test("a bind frame has the contract's bytes, ids in UTF-8", () => {
  const frame = encodeBindFrame([
    { alias: 1, meter: "m1" },
    { alias: 2, meter: "é" },
  ]);
  assert.equal(
    frame.toString("hex"),
    ["02010000", "02000000", "0000000000000000", "01000000", "0200", "6d31", "02000000", "0200", "c3a9"].join(""),
  );
});

test("bindings are cut at the longest frame and none is lost", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ minLength: 1, maxLength: 40, unit: "grapheme" }), { maxLength: 50 }),
      fc.integer({ min: 300, max: 600 }),
      (meters, limit) => {
        const bindings = meters.map((meter, alias) => ({ alias, meter }));
        const frames = encodeBindFrames(bindings, limit);
        for (const frame of frames) assert.ok(frame.length <= limit, `${frame.length} bytes with a limit of ${limit}`);
        assert.equal(
          Buffer.concat(frames.map((frame) => frame.subarray(16))).toString("hex"),
          encodeBindFrame(bindings).subarray(16).toString("hex"),
        );
        assert.equal(
          frames.reduce((sum, frame) => sum + frame.readUInt32LE(4), 0),
          meters.length,
        );
      },
    ),
  );
});

test("a text frame is the contract's JSON", () => {
  const frame = encodeTextFrame(9, [
    { meter: 'm"1', ts: 5, value: 0.1 },
    { meter: "m2", ts: 6, exchange: { final: 5, start: 0 } },
    { meter: "m2", ts: 6, exchange: null, rev: 1 },
  ]);
  assert.equal(
    frame.toString(),
    '{"seq":9,"readings":[{"meter":"m\\"1","ts":5,"value":0.1},{"meter":"m2","ts":6,"exchange":{"final":5,"start":0}},{"meter":"m2","ts":6,"exchange":null,"rev":1}]}',
  );
});

test("a value that JSON has no number for is refused instead of sent as null", () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => encodeTextFrame(1, [{ meter: "m", ts: 1, value }]), { code: "value_invalid" });
  }
});
