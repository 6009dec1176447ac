import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { encodeBinaryFrame, encodeBindFrame } from "../../engine/client/frames.js";
import { readingsOf } from "./api.js";
import { Stage } from "./stage.js";
import type { Closed, Wire } from "./wire.js";

const TS = Date.UTC(2026, 0, 1);
/** Kept raw of a frame that cannot be read. */
const RAW_BYTES = 4096;

let stage: Stage;
before(async () => {
  stage = await Stage.set("duckdb");
});
after(() => stage.clear());

/** What `rejected` must list in the end, by datalogger and seq. */
const expectedRows: { datalogger: string; seq: number; raw: string }[] = [];

/** Sends one frame on a connection of its own and resolves with how the engine ended it. */
async function fate(datalogger: string, send: (wire: Wire) => void): Promise<Closed> {
  const wire = await stage.wire(datalogger);
  send(wire);
  return await wire.ended();
}

function header(
  options: { type?: number; version?: number; padding?: number; count?: number; seq?: bigint },
  length = 16,
): Buffer {
  const bytes = Buffer.alloc(Math.max(16, length));
  bytes[0] = options.type ?? 1;
  bytes[1] = options.version ?? 1;
  bytes.writeUInt16LE(options.padding ?? 0, 2);
  bytes.writeUInt32LE(options.count ?? 0, 4);
  bytes.writeBigUInt64LE(options.seq ?? 1n, 8);
  return bytes.subarray(0, length);
}

test("a text frame that cannot be read, nor its seq, ends its connection with the reason in words", async () => {
  const faulty: [what: string, text: string][] = [
    ["nothing", ""],
    ["blanks", "   "],
    ["no JSON", "hello"],
    ["cut off before the seq", '{"seq":'],
    ["a seq cut off", '{"seq":12'],
    ["a number", "7"],
    ["null", "null"],
    ["a string", '"seq"'],
    ["a bare array", `[["m",${TS},1]]`],
    ["no seq", `{"readings":[["m",${TS},1]]}`],
    ["seq 0", `{"seq":0,"readings":[]}`],
    ["a negative seq", `{"seq":-1,"readings":[]}`],
    ["half a seq", `{"seq":1.5,"readings":[]}`],
    ["seq as text", `{"seq":"1","readings":[]}`],
    ["seq null", `{"seq":null,"readings":[]}`],
    ["seq true", `{"seq":true,"readings":[]}`],
    ["seq 2^53", `{"seq":9007199254740992,"readings":[]}`],
    ["a seq beyond any number", `{"seq":1e400,"readings":[]}`],
    ["a seq of many digits, cut off", `{"seq":123456789012345678901234567890,"readings":[`],
    ["a NUL before the frame", `\0{"seq":1,"readings":[]}`],
    ["an open nest", "[".repeat(30_000)],
    ["a deep nest for a seq", `{"seq":${"[".repeat(30_000)}${"]".repeat(30_000)}}`],
  ];
  await stage.amid(async () => {
    for (const [what, text] of faulty) {
      const { message, ...end } = await fate("faulty", (wire) => wire.send(text));
      assert.deepEqual(end, { code: 1007, reason: "malformed", error: "malformed" }, what);
      assert.ok(message.length > 10, `${what}: "${message}" says nothing`);
    }
    const notUtf8 = await fate("faulty", (wire) => wire.sendAsText(Buffer.from([0x7b, 0xff, 0xfe, 0x7d])));
    assert.ok([1006, 1007].includes(notUtf8.code), `closed with ${notUtf8.code}`);
  });
  const wire = await stage.wire("faulty");
  assert.equal(wire.welcome.lastSeq, 0, "none of them counted");
  wire.send({ seq: 1, readings: [["after-faulty", TS, 1]] });
  assert.deepEqual(await wire.acked(1), { type: "ack", seq: 1, window: wire.welcome.window });
  wire.close();
});

test("a text frame of which only the seq can be read is acked, listed and kept raw", async () => {
  const texts = [
    '{"seq":1,"readings":[{"meter":"m","ts":1767225600000,"value":',
    '{"seq":2,"readings":[{"meter":"m","ts":1767225600000,"value":NaN}]}',
    '{"seq":3,"readings":[["m",1767225600000,Infinity]]}',
    '{"seq":4}',
    '{"seq":5,"readings":null}',
    '{"seq":6,"readings":{"meter":"m"}}',
    '{"seq":7,"readings":"[]"}',
    ` { "seq" : 8 , "readings" : [ ] `,
    `{"seq":9,"readings":["${"é".repeat(RAW_BYTES)}`,
    `{"seq":10,"readings":["${"é".repeat(RAW_BYTES)}`,
    '{"seq":9007199254740991,"readings":[',
  ];
  const seqs = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 2 ** 53 - 1];
  const wire = await stage.wire("broken-text");
  await stage.amid(async () => {
    for (const text of texts) wire.send(text);
    await wire.acked(2 ** 53 - 1);
  });
  assert.deepEqual(
    wire.rejected,
    seqs.map((seq) => ({ seq, index: undefined, meter: undefined, code: "malformed" })),
  );
  wire.close();
  texts.forEach((text, i) => {
    expectedRows.push({ datalogger: "broken-text", seq: seqs[i]!, raw: cut(text) });
  });
});

/** The first bytes of a text, ending with a whole character. */
function cut(text: string): string {
  return Buffer.from(text)
    .subarray(0, RAW_BYTES)
    .toString("utf8")
    .replace(/\uFFFD+$/, "");
}

test("a binary frame whose header cannot be read ends its connection; an unreadable rest is acked and listed", async () => {
  const wire = await stage.wire("lengths");
  wire.send(encodeBindFrame([{ alias: 0, meter: "lengths" }]));
  await stage.amid(async () => {
    for (let length = 0; length < 16; length++) {
      const end = await fate("short", (short) => short.send(header({ count: 1 }, length)));
      assert.deepEqual([end.code, end.error], [1007, "malformed"], `${length} bytes`);
    }
    for (let length = 16; length < 40; length++) {
      const seq = length - 15;
      const frame = header({ count: 1, seq: BigInt(seq) }, length);
      wire.send(frame);
      expectedRows.push({ datalogger: "lengths", seq, raw: frame.toString("hex") });
    }
    wire.send(encodeBinaryFrame(25, [{ alias: 0, ts: TS, value: 1 }]));
    await wire.acked(25);
  });
  assert.deepEqual(
    wire.rejected,
    Array.from({ length: 24 }, (_, i) => ({ seq: i + 1, index: undefined, meter: undefined, code: "malformed" })),
  );
  wire.close();
});

test("a header that lies is found out", async () => {
  const unreadable: [what: string, frame: Buffer][] = [
    ["type 0", header({ type: 0 })],
    ["type 3", header({ type: 3 })],
    ["type 255", header({ type: 255 })],
    ["version 0", header({ version: 0 })],
    ["version 2", header({ version: 2 })],
    ["seq 0", header({ seq: 0n })],
    ["seq 2^53", header({ seq: 2n ** 53n })],
    ["the largest seq", header({ seq: 2n ** 64n - 1n })],
  ];
  const whole = encodeBinaryFrame(1, [
    { alias: 0, ts: TS, value: 1 },
    { alias: 0, ts: TS + 1, value: 2 },
  ]);
  const lies: [what: string, change: (frame: Buffer) => void][] = [
    ["one reading too few", (frame) => frame.writeUInt32LE(1, 4)],
    ["one reading too many", (frame) => frame.writeUInt32LE(3, 4)],
    ["none", (frame) => frame.writeUInt32LE(0, 4)],
    ["as many as can be", (frame) => frame.writeUInt32LE(0xffffffff, 4)],
    ["a count whose bytes overflow 32 bits", (frame) => frame.writeUInt32LE(178_956_972, 4)],
    ["padding", (frame) => frame.writeUInt16LE(1, 2)],
    ["other padding", (frame) => frame.writeUInt16LE(0x8000, 2)],
  ];
  const wire = await stage.wire("lies");
  wire.send(encodeBindFrame([{ alias: 0, meter: "lies" }]));
  await stage.amid(async () => {
    for (const [what, frame] of unreadable) {
      const end = await fate("liar", (liar) => liar.send(frame));
      assert.deepEqual([end.code, end.error], [1007, "malformed"], what);
    }
    lies.forEach(([, change], i) => {
      const frame = Buffer.from(whole);
      frame.writeUInt32LE(i + 1, 8);
      change(frame);
      wire.send(frame);
      expectedRows.push({ datalogger: "lies", seq: i + 1, raw: frame.toString("hex") });
    });
    await wire.acked(lies.length);
  });
  assert.deepEqual(
    wire.rejected,
    lies.map((_, i) => ({ seq: i + 1, index: undefined, meter: undefined, code: "malformed" })),
  );
  wire.close();
});

test("a bind frame that lies ends its connection, and what it meant is not bound", async () => {
  const good = encodeBindFrame([
    { alias: 1, meter: "one" },
    { alias: 2, meter: "two" },
  ]);
  const with_ = (change: (frame: Buffer) => void): Buffer => {
    const frame = Buffer.from(good);
    change(frame);
    return frame;
  };
  const faulty: [what: string, frame: Buffer][] = [
    ["a count too low", with_((frame) => frame.writeUInt32LE(1, 4))],
    ["a count too high", with_((frame) => frame.writeUInt32LE(3, 4))],
    ["the highest count", with_((frame) => frame.writeUInt32LE(0xffffffff, 4))],
    ["a seq", with_((frame) => frame.writeUInt32LE(1, 8))],
    ["padding", with_((frame) => frame.writeUInt16LE(1, 2))],
    ["an alias of 2^20", with_((frame) => frame.writeUInt32LE(1 << 20, 16))],
    ["the highest alias", with_((frame) => frame.writeUInt32LE(0xffffffff, 16))],
    ["an id that ends behind the frame", with_((frame) => frame.writeUInt16LE(0xffff, 29))],
    ["an id one byte too long", with_((frame) => frame.writeUInt16LE(4, 29))],
    ["an id one byte too short", with_((frame) => frame.writeUInt16LE(2, 29))],
    ["a byte missing", good.subarray(0, good.length - 1)],
    ["a byte more", Buffer.concat([good, Buffer.alloc(1)])],
    ["a header alone", good.subarray(0, 16)],
  ];
  await stage.amid(async () => {
    for (const [what, frame] of faulty) {
      const end = await fate("binder", (wire) => wire.send(frame));
      assert.deepEqual([end.code, end.error], [1007, "malformed"], what);
    }
  });
});

test("an alias means what this connection bound it to last, and nothing else stops for one that means nothing", async () => {
  const first = await stage.wire("aliases");
  first.send(
    encodeBindFrame([
      { alias: 0, meter: "bound" },
      { alias: (1 << 20) - 1, meter: "bound-last" },
      { alias: 7, meter: "" },
      { alias: 8, meter: "a\nb" },
      { alias: 9, meter: "x".repeat(129) },
    ]),
  );
  const notUtf8 = encodeBindFrame([{ alias: 10, meter: "abcd" }]);
  notUtf8[23] = 0xff;
  await stage.amid(async () => {
    first.send(notUtf8);
    const aliases = [0, 1, (1 << 20) - 1, 1 << 20, 0xffffffff, 7, 8, 9, 10];
    const readings = aliases.map((alias) => ({ alias, ts: TS, value: alias }));
    first.send(encodeBinaryFrame(1, readings));
    await first.acked(1);
  });
  const rejected = (index: number, code: string, meter = "") => ({ seq: 1, index, meter, code });
  assert.deepEqual(first.rejected, [
    rejected(1, "alias_unbound"),
    rejected(3, "alias_unbound"),
    rejected(4, "alias_unbound"),
    rejected(5, "meter_invalid"),
    rejected(6, "meter_invalid", "a\nb"),
    rejected(7, "meter_invalid", "x".repeat(129)),
    rejected(8, "meter_invalid"),
  ]);
  first.send(encodeBindFrame([{ alias: 0, meter: "bound-anew" }]));
  first.send(encodeBinaryFrame(2, [{ alias: 0, ts: TS, value: 5 }]));
  await first.acked(2);
  first.close();
  const second = await stage.wire("aliases");
  second.send(encodeBinaryFrame(3, [{ alias: 0, ts: TS + 1, value: 6 }]));
  await second.acked(3);
  assert.deepEqual(second.rejected, [{ seq: 3, index: 0, meter: "", code: "alias_unbound" }]);
  second.close();
});

test("a frame of the largest size is taken, a larger one refused in words, a huge one cut off", async () => {
  const wire = await stage.wire("large");
  const { maxFrameBytes } = wire.welcome;
  const text = (seq: number, bytes: number) => {
    const frame = `{"seq":${seq},"readings":[["large",${TS},1]]}`;
    return frame + " ".repeat(bytes - frame.length);
  };
  await stage.amid(async () => {
    wire.send(text(1, maxFrameBytes));
    await wire.acked(1);
    assert.deepEqual(wire.rejected, []);
    for (const over of [maxFrameBytes + 1, 2 * maxFrameBytes, 1024 * 1024]) {
      const { message, ...end } = await fate("large", (larger) => larger.send(text(2, over)));
      assert.deepEqual(end, { code: 1009, reason: "frame_too_large", error: "frame_too_large" }, `${over} bytes`);
      assert.match(message, new RegExp(`${maxFrameBytes}.*${over}`));
    }
    for (const frame of [text(2, 1024 * 1024 + 1), Buffer.alloc(4 * 1024 * 1024)]) {
      const end = await fate("large", (huge) => huge.send(frame));
      assert.ok([1006, 1009].includes(end.code), `closed with ${end.code}`);
    }
  });
  const again = await stage.wire("large");
  assert.equal(again.welcome.lastSeq, 1);
  again.close();
});

test("what was read of faulty frames is in the store, and nothing else", async () => {
  const { url } = stage.engine;
  const token = stage.acme.tokens.read;
  await stage.neighboursStored();
  const valuesOf = async (meter: string) => (await readingsOf(url, token, meter)).map(({ value }) => value);
  assert.deepEqual(await valuesOf("bound"), [0]);
  assert.deepEqual(await valuesOf("bound-last"), [(1 << 20) - 1]);
  assert.deepEqual(await valuesOf("bound-anew"), [5]);
  assert.deepEqual(await valuesOf("large"), [1]);
  assert.deepEqual(await valuesOf("lengths"), [1]);
  for (const meter of ["m", "one", "two", "lies"]) assert.deepEqual(await valuesOf(meter), [], meter);
});

test("every frame that could not be read is kept raw in the table of rejects", async () => {
  const rows = (await stage.stopAndReadRejected()).filter(({ code }) => code === "malformed");
  const byFrame = (a: { datalogger: string; seq: number }, b: { datalogger: string; seq: number }) =>
    a.datalogger.localeCompare(b.datalogger) || a.seq - b.seq;
  assert.deepEqual(rows.map(({ datalogger, seq, raw }) => ({ datalogger, seq, raw })).sort(byFrame), expectedRows.sort(byFrame));
});
