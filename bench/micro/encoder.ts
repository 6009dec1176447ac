import { createBuffer, type SenderBuffer, SenderOptions } from "@questdb/nodejs-client";
import { encodeReading, IlpBuffer, SeriesNames } from "../../workers/sinks/ilp.js";
import { fleetOf, smallSize } from "../fleet.js";
import { makeRows, namesOf } from "../rows.js";
import type { MicroBench } from "./harness.js";

interface Row {
  meter: number;
  ts: number;
  value: number;
  delta: number;
  flags: number;
}

/** One row of `readings` as line protocol: ours, text put together from strings, the official client. */
export async function encoderBench(): Promise<MicroBench> {
  const series = fleetOf(smallSize);
  const names = namesOf(series);
  const rows: Row[] = [];
  makeRows(series, 1000, {
    reading: (meter, ts, value, delta, flags) => rows.push({ meter, ts, value, delta, flags }),
    period() {},
  });
  const known = new SeriesNames(names);
  const out = new IlpBuffer(1 << 20);
  const official: SenderBuffer = createBuffer(
    await SenderOptions.fromConfig("http::addr=localhost:1;protocol_version=2;auto_flush=off;"),
  );
  let bytes: Uint8Array = new Uint8Array();
  let text = "";

  const ours = () => {
    out.reset();
    for (const { meter, ts, value, delta, flags } of rows) encodeReading(out, known, meter, ts, value, delta, 0, flags);
    bytes = out.written();
  };
  const strings = () => {
    const lines: string[] = [];
    for (const { meter, ts, value, delta, flags } of rows) {
      const change = Number.isNaN(delta) ? "" : `,delta=${delta}`;
      lines.push(
        `readings,tenant=${names.tenantOfMeter(meter)},meter=${names.meter(meter)} value=${value},rev=0i${change},flags=${flags}i ${ts}\n`,
      );
    }
    text = lines.join("");
    bytes = Buffer.from(text);
  };
  const client = () => {
    official.reset();
    for (const { meter, ts, value, delta, flags } of rows) {
      official.table("readings").symbol("tenant", names.tenantOfMeter(meter)).symbol("meter", names.meter(meter));
      official.floatColumn("value", value).intColumn("rev", 0);
      if (!Number.isNaN(delta)) official.floatColumn("delta", delta);
      official.intColumn("flags", flags).at(ts, "ms");
    }
    bytes = official.toBufferView();
  };
  return {
    name: "line protocol",
    unit: "row",
    unitsPerRun: rows.length,
    cases: [
      { name: "ours", run: ours },
      { name: "strings", run: strings },
      { name: "official client", run: client },
    ],
    check() {
      client();
      const theirs = shape(bytes);
      ours();
      if (shape(bytes) !== theirs) throw new Error("line protocol: our rows are not those of the official client");
      strings();
      if (text.split("\n").length !== rows.length + 1) throw new Error("line protocol: the strings are not one line a row");
    },
  };
}

/** The bytes with each time cut to milliseconds, since the client writes whatever unit it was given. */
function shape(bytes: Uint8Array): string {
  return Buffer.from(bytes)
    .toString("latin1")
    .replace(/i (\d{13})(?:000|000000)?[tn]?\n/g, "i $1\n");
}
