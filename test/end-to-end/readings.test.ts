import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeBinaryFrame, encodeBindFrame } from "../../engine/client/frames.js";
import { questDbSkip } from "../support/questdb.js";
import { until } from "../support/servers.js";
import { allPages, readingsOf, type ShownReading } from "./api.js";
import { Stage, type StoreType } from "./stage.js";

const HOUR_MS = 3_600_000;
const TS = Date.UTC(2026, 0, 1);
const NOW = Date.now();
/** Kept raw of a reading. */
const RAW_BYTES = 256;

interface Faulty {
  code: string;
  /** As it stands in the frame: JSON has no other way to say Infinity than a number that is too large. */
  json: string;
}

function faulty(code: string, elements: readonly (string | object)[]): Faulty[] {
  return elements.map((element) => ({ code, json: typeof element === "string" ? element : JSON.stringify(element) }));
}

/** A reading that is right but for what is given. */
function but(change: string): string {
  const right: Record<string, string> = { meter: '"never"', ts: String(TS), value: "1" };
  for (const [, name, value] of change.matchAll(/(\w+)=(\S+)/g)) {
    if (value === "-") delete right[name!];
    else right[name!] = value!;
  }
  return `{${Object.entries(right)
    .map(([name, value]) => `"${name}":${value}`)
    .join(",")}}`;
}

const FAULTY: Faulty[] = [
  ...faulty("meter_invalid", ["null", "7", '"never"', "true", "[]", "{}", `[["never",${TS},1]]`, `[null,${TS},1]`]),
  ...faulty(
    "meter_invalid",
    ["-", "null", "5", '""', "[]", '{"a":1}', "true"].map((meter) => but(`meter=${meter}`)),
  ),
  ...faulty(
    "meter_invalid",
    ["x".repeat(129), "🔌".repeat(129), "a\nb", "a\rb", "a\tb", "\0", "\u007f", "\u0085", "\u009f", "\ud800"].map((meter) => ({
      ...{ meter, ts: TS, value: 1 },
    })),
  ),
  ...faulty(
    "ts_invalid",
    ["-", "null", "true", '""', '"now"', "[]", "{}", "1e400", "-1e400", "8640000000000001", "-8640000000000001"].map((ts) =>
      but(`ts=${ts}`),
    ),
  ),
  ...faulty(
    "ts_invalid",
    [
      ...[
        "1767225600000",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00,5Z",
        "26-01-01T00:00:00Z",
      ],
      ...["2026-1-1T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-02-30T00:00:00Z", "2025-02-29T00:00:00Z"],
      ...[
        "2026-01-32T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:61Z",
        "2026-01-01T00:00:00+0100",
      ],
      ...[
        "2026-01-01T00:00:00+01",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+01:60",
        " 2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z ",
      ],
      ...["2026-01-01T00:00:00UTC", "+02026-01-01T00:00:00Z", `2026-01-01T00:00:00.${"0".repeat(100)}Z`, "２026-01-01T00:00:00Z"],
    ].map((ts) => ({ meter: "never", ts, value: 1 })),
  ),
  ...faulty(
    "ts_future",
    [NOW + HOUR_MS + 60_000, NOW + 24 * HOUR_MS, 8_639_999_999_999_999, "2199-12-31T23:59:59Z", "9999-12-31T23:59:59Z"].map(
      (ts) => ({
        ...{ meter: "never", ts, value: 1 },
      }),
    ),
  ),
  ...faulty(
    "ts_too_old",
    [
      0,
      -1,
      1,
      TS / 1000,
      946_684_799_999,
      946_684_799_999.9,
      -8_639_999_999_999_999,
      "1999-12-31T23:59:59.999Z",
      "2000-01-01T00:59:59+01:00",
      "0001-01-01T00:00:00Z",
    ].map((ts) => ({ meter: "never", ts, value: 1 })),
  ),
  ...faulty(
    "value_invalid",
    ["-", "null", "true", "false", '"1"', '""', '"NaN"', '"Infinity"', "[]", "[1]", "{}", "1e400", "-1e400"].map((value) =>
      but(`value=${value}`),
    ),
  ),
  ...faulty("value_invalid", [`["never",${TS}]`, `["never",${TS},null]`, `["never",${TS},"1"]`]),
  ...faulty(
    "value_out_of_range",
    ["9007199254741", "-9007199254741", "1e300", "-1e300", "1.7976931348623157e308", "9007199254740993"].map((value) =>
      but(`value=${value}`),
    ),
  ),
  ...faulty(
    "rev_invalid",
    ["-1", "0.5", "4294967296", "1e400", '"1"', "null", "true", "[]"].map((rev) => but(`rev=${rev}`)),
  ),
  ...faulty(
    "exchange_invalid",
    [
      "0",
      '"x"',
      "true",
      "[]",
      "{}",
      '{"final":1}',
      '{"start":1}',
      '{"final":"1","start":0}',
      '{"final":null,"start":0}',
      '{"final":1e400,"start":0}',
      '{"final":1e300,"start":0}',
    ].map((exchange) => but(`value=- exchange=${exchange}`)),
  ),
];

/** Times that are right, and the millisecond that each means. */
const TIMES: [ts: string | number, ms: number][] = [
  [TS, TS],
  [TS + 0.75, TS],
  [946_684_800_000, 946_684_800_000],
  [NOW + HOUR_MS - 60_000, NOW + HOUR_MS - 60_000],
  ["2026-01-01T00:00:00Z", TS],
  ["2026-01-01t00:00:00z", TS],
  ["2026-01-01 00:00:00Z", TS],
  ["2026-01-01T00:00:00+00:00", TS],
  ["2026-01-01T00:00:00-00:00", TS],
  ["2026-01-01T01:00:00+01:00", TS],
  ["2025-12-31T13:00:00-11:00", TS],
  ["2026-01-01T05:45:00+05:45", TS],
  ["2026-01-01T00:00:00.5Z", TS + 500],
  ["2026-01-01T00:00:00.1239Z", TS + 123],
  ["2026-01-01T00:00:00.999999999999+00:00", TS + 999],
  ["2024-02-29T23:59:59.999Z", Date.UTC(2024, 2, 1) - 1],
  ["2000-01-01T00:00:00Z", 946_684_800_000],
];

/** Ids that are legal and unpleasant. */
const IDS = [
  ...[
    "x".repeat(128),
    "🔌".repeat(128),
    "é".repeat(128),
    "a",
    " ",
    "  leading and trailing  ",
    "a,b",
    "a=b",
    "a\\b",
    "a\\,b",
    "\\",
    "a\\",
  ],
  ...[
    'a"b',
    '"',
    "'",
    "''",
    "a'b",
    "`",
    "$1",
    "$[x]{y}",
    "%",
    "%20",
    "%2F",
    "a/b",
    "/",
    "?",
    "#",
    "&",
    "a;b",
    "a--b",
    "/*",
    "*",
    "null",
    "NULL",
  ],
  ...[
    "NaN",
    "true",
    "0",
    "__proto__",
    "constructor",
    "🔌",
    "👩‍👩‍👧",
    "e\u0301",
    "\u00e9",
    "\u202e",
    "\u2028",
    "\u00a0",
    "\ufeff",
    "\ufeffa",
    "\ufffd",
    "日本",
  ],
];

async function rowsOf(stage: Stage, meter: string, count: number): Promise<ShownReading[]> {
  return await until(`${count} rows of ${JSON.stringify(meter)}`, 20_000, async () => {
    const rows = await readingsOf(stage.engine.url, stage.acme.tokens.read, meter);
    return rows.length >= count && rows;
  });
}

function shownRaw(json: string): string {
  const shown = json.replaceAll("-1e400", '"-Infinity"').replaceAll("1e400", '"Infinity"');
  const raw = Buffer.from(JSON.stringify(JSON.parse(shown)).slice(0, RAW_BYTES));
  return raw
    .subarray(0, RAW_BYTES)
    .toString("utf8")
    .replace(/\uFFFD+$/, "");
}

for (const store of ["duckdb", "questdb"] as const satisfies StoreType[]) {
  test(`readings that cannot be taken, and those beside them: ${store}`, {
    skip: store === "questdb" && questDbSkip(),
  }, async (t) => {
    const stage = await Stage.set(store);
    t.after(() => stage.clear());
    const expected: { datalogger: string; seq: number; index: number; code: string; raw: string }[] = [];

    await t.test("each is listed with its code while its neighbours in the frame are taken", async () => {
      const wire = await stage.wire("faulty");
      const good = (i: number) => JSON.stringify(["beside", TS + i * 60_000, i]);
      const elements = FAULTY.flatMap(({ json }, i) => [json, good(i)]);
      await stage.amid(async () => {
        wire.send(`{"seq":1,"readings":[${elements.join(",")}]}`);
        await wire.acked(1);
      });
      assert.deepEqual(
        wire.rejected.map((entry) => ({ ...entry, meter: undefined })),
        FAULTY.map(({ code }, i) => ({ seq: 1, index: 2 * i, meter: undefined, code })),
      );
      FAULTY.forEach(({ code, json }, i) => {
        expected.push({ datalogger: "faulty", seq: 1, index: 2 * i, code, raw: shownRaw(json) });
      });
      wire.close();
    });

    await t.test("a reading nested too deeply to be shown is refused like any other", async () => {
      const wire = await stage.wire("deep");
      const nest = "[".repeat(30_000) + "]".repeat(30_000);
      await stage.amid(async () => {
        wire.send(`{"seq":1,"readings":[${nest},["beside-deep",${TS},1]]}`);
        await wire.acked(1);
      });
      assert.deepEqual(wire.rejected, [{ seq: 1, index: 0, meter: "", code: "meter_invalid" }]);
      expected.push({ datalogger: "deep", seq: 1, index: 0, code: "meter_invalid", raw: "(nested too deeply to be shown)" });
      wire.close();
    });

    await t.test("the same in binary", async () => {
      const wire = await stage.wire("binary");
      const { NaN: nan, POSITIVE_INFINITY: infinity, NEGATIVE_INFINITY: minusInfinity } = Number;
      const cases: [ts: number, value: number, code: string | null][] = [
        [TS, nan, "value_invalid"],
        [TS, infinity, "value_invalid"],
        [TS, minusInfinity, "value_invalid"],
        [TS, 1e300, "value_out_of_range"],
        [TS, -9_007_199_254_741, "value_out_of_range"],
        [nan, 1, "ts_invalid"],
        [infinity, 1, "ts_invalid"],
        [minusInfinity, 1, "ts_invalid"],
        [1e300, 1, "ts_invalid"],
        [NOW + 2 * HOUR_MS, 1, "ts_future"],
        [0, 1, "ts_too_old"],
        [-1e15, 1, "ts_too_old"],
        [5e-324, 1, "ts_too_old"],
        [TS + 0.75, 2, null],
        [TS + 1000, 3, null],
      ];
      const frame = encodeBinaryFrame(
        1,
        cases.map(([ts, value]) => ({ alias: 0, ts, value, rev: 0xffffffff })),
      );
      wire.send(encodeBindFrame([{ alias: 0, meter: "binary" }]));
      await stage.amid(async () => {
        wire.send(frame);
        await wire.acked(1);
      });
      const rejects = cases.flatMap(([, , code], index) => (code === null ? [] : [{ seq: 1, index, meter: "binary", code }]));
      assert.deepEqual(wire.rejected, rejects);
      for (const { index, code } of rejects) {
        const raw = frame.subarray(16 + index * 24, 40 + index * 24).toString("hex");
        expected.push({ datalogger: "binary", seq: 1, index, code, raw });
      }
      const rows = await rowsOf(stage, "binary", 2);
      assert.deepEqual(
        rows.map(({ ts, value, rev }) => [Date.parse(ts), value, rev]),
        [
          [TS, 2, 0xffffffff],
          [TS + 1000, 3, 0xffffffff],
        ],
      );
      wire.close();
    });

    await t.test("every way to write a time means its millisecond", async () => {
      const wire = await stage.wire("times");
      await stage.amid(async () => {
        wire.send({ seq: 1, readings: TIMES.map(([ts], i) => ({ meter: `time-${i}`, ts, value: i })) });
        await wire.acked(1);
      });
      assert.deepEqual(wire.rejected, []);
      for (const [i, [written, ms]] of TIMES.entries()) {
        const rows = await rowsOf(stage, `time-${i}`, 1);
        assert.deepEqual(
          rows.map(({ ts, value }) => ({ ts, value })),
          [{ ts: new Date(ms).toISOString(), value: i }],
          String(written),
        );
      }
      wire.close();
    });

    await t.test("what is beside the faulty ones is stored, and of the faulty ones nothing", async () => {
      const rows = await rowsOf(stage, "beside", FAULTY.length);
      assert.deepEqual(
        rows.map(({ ts, value, delta }) => [Date.parse(ts), value, delta]),
        FAULTY.map((_, i) => [TS + i * 60_000, i, i === 0 ? null : 1]),
      );
      assert.equal((await rowsOf(stage, "beside-deep", 1)).length, 1);
      assert.deepEqual(await readingsOf(stage.engine.url, stage.acme.tokens.read, "never"), []);
      await stage.neighboursStored();
    });

    await t.test("every legal id arrives as it was sent, by text, by alias, and after restarts", async () => {
      const text = await stage.wire("ids-text");
      text.send({ seq: 1, readings: IDS.map((meter, i) => ({ meter, ts: TS, value: i })) });
      await text.acked(1);
      assert.deepEqual(text.rejected, []);
      const binary = await stage.wire("ids-binary");
      binary.send(encodeBindFrame(IDS.map((meter, alias) => ({ alias, meter }))));
      const second = IDS.map((_, alias) => ({ alias, ts: TS + 60_000, value: alias + 0.5 }));
      binary.send(encodeBinaryFrame(1, second));
      await binary.acked(1);
      assert.deepEqual(binary.rejected, []);
      await stage.restart("crash");
      const again = await stage.wire("ids-text");
      assert.equal(again.welcome.lastSeq, 1);
      again.send({ seq: 2, readings: IDS.map((meter, i) => ({ meter, ts: TS + 120_000, value: i + 0.75 })) });
      await again.acked(2);
      assert.deepEqual(again.rejected, []);
      again.close();
      for (const [i, meter] of IDS.entries()) {
        const rows = await rowsOf(stage, meter, 3);
        assert.deepEqual(
          rows.map(({ ts, value, delta }) => [Date.parse(ts) - TS, value, delta]),
          [
            [0, i, null],
            [60_000, i + 0.5, 0.5],
            [120_000, i + 0.75, 0.25],
          ],
          JSON.stringify(meter),
        );
      }
      await stage.restart("stop");
      const listed = await allPages<{ meter: string }>(stage.engine.url, "/v1/meters?limit=7", stage.acme.tokens.read);
      const others = /^(?:neighbour-\d|beside|beside-deep|never|binary|time-\d+)$/;
      const found = listed.map(({ meter }) => meter).filter((meter) => !others.test(meter));
      assert.deepEqual(found.sort(), IDS.toSorted());
    });

    await t.test("the table of rejects has each with its code, its place and what was sent", async () => {
      const rows = await stage.stopAndReadRejected();
      const inOrder = (a: { datalogger: string; index: number }, b: { datalogger: string; index: number }) =>
        a.datalogger.localeCompare(b.datalogger) || a.index - b.index;
      assert.deepEqual(
        rows.map(({ datalogger, seq, index, code, raw }) => ({ datalogger, seq, index, code, raw })).sort(inOrder),
        expected.sort(inOrder),
      );
    });
  });
}
