import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeBinaryFrame, encodeBindFrame } from "../../engine/client/frames.js";
import { questDbSkip } from "../support/questdb.js";
import { until } from "../support/servers.js";
import { allPages, readingsOf, type ShownReading } from "./api.js";
import { FAULTY, HOUR_MS, IDS, NOW, TIMES, TS } from "./odd-readings.js";
import { Stage, type StoreType } from "./stage.js";

/** Kept raw of a reading. */
const RAW_BYTES = 256;

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
