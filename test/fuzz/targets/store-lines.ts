import assert from "node:assert/strict";
import { PERIODS } from "../../../engine/base/entries.js";
import type { Names } from "../../../engine/store/interface.js";
import { encodePeriod, encodeReading, IlpBuffer, SeriesNames } from "../../../workers/sinks/ilp.js";
import { mutateBytes } from "../mutate.js";
import { HOSTILE_TEXTS } from "../mutate-json.js";
import { bytesOf, type Target, textIn } from "../target.js";

type Field = string | number;

/** A line of the protocol read as its grammar says, a byte at a time: the table, the symbols, the fields, the time. */
function plainLine(bytes: Buffer, from: number): { table: string; cells: Map<string, Field>; ts: string; end: number } {
  let at = from;
  const word = (ends: string): string => {
    const start: number[] = [];
    while (at < bytes.length && !ends.includes(String.fromCharCode(bytes[at]!))) {
      if (bytes[at] === 0x5c) at++;
      start.push(bytes[at++]!);
    }
    return Buffer.from(start).toString("utf8");
  };
  const table = word(", ");
  const cells = new Map<string, Field>();
  while (bytes[at] === 0x2c) {
    at++;
    const name = word("=");
    at++;
    cells.set(name, word(", \n"));
  }
  assert.equal(bytes[at], 0x20);
  do {
    at++;
    const name = word("=");
    at++;
    if (bytes[at] === 0x3d) {
      assert.equal(bytes[at + 1], 16);
      cells.set(name, bytes.readDoubleLE(at + 2));
      at += 10;
    } else {
      const digits = word(", \n");
      assert.match(digits, /^\d+i$/);
      cells.set(name, Number(digits.slice(0, -1)));
    }
  } while (bytes[at] === 0x2c);
  assert.equal(bytes[at], 0x20);
  at++;
  const ts = word("\n");
  assert.equal(bytes[at], 0x0a);
  return { table, cells, ts, end: at + 1 };
}

/** What UTF-8 can carry of a text: what the shard lets in as an id. */
function idOf(text: string): string {
  return Buffer.from(text.slice(0, 128)).toString("utf8");
}

function run(input: Uint8Array): void {
  const meter = idOf(textIn(input.subarray(32)));
  const numbers = Buffer.alloc(32);
  numbers.set(input.subarray(0, 32));
  const value = numbers.readDoubleLE(0);
  const delta = numbers.readDoubleLE(8);
  const [rev, flags] = [numbers.readUInt32LE(16), numbers.readUInt16LE(20)];
  const ts = 946_684_800_000 + (numbers.readUIntLE(22, 6) % 6_311_433_600_000);
  const period = numbers.readUInt8(28) % 3;
  const names: Names = {
    tenantOfMeter: () => "acme",
    meter: () => meter,
    datalogger: () => ({ tenant: "", id: "" }),
    rule: () => "",
  };
  const out = new IlpBuffer(16);
  const series = new SeriesNames(names);
  encodeReading(out, series, 3, ts, value, delta, rev, flags);
  encodePeriod(out, series, 3, period, ts, value, delta, -0, 0.5, rev, flags);
  const bytes = Buffer.from(out.written());
  const first = plainLine(bytes, 0);
  const second = plainLine(bytes, first.end);
  assert.equal(second.end, bytes.length);
  const given = (fields: Record<string, Field>) => new Map(Object.entries(fields).filter(([, field]) => !Number.isNaN(field)));
  // NaN stands for a value that there is not; a reading always has its value.
  const cells = given({ tenant: "acme", meter, rev, delta, flags });
  first.cells.delete("value");
  assert.deepEqual([first.table, sorted(first.cells), first.ts], ["readings", sorted(cells), String(ts)]);
  const amounts = given({ value, min: delta, max: -0, coverage: 0.5, readings: rev, flags });
  const all = new Map<string, Field>([["tenant", "acme"], ["meter", meter], ["period", PERIODS[period]!], ...amounts]);
  assert.deepEqual([second.table, sorted(second.cells), second.ts], ["consumption", sorted(all), String(ts)]);
}

function sorted(cells: ReadonlyMap<string, Field>): [string, Field][] {
  return [...cells].sort(([a], [b]) => (a < b ? -1 : 1));
}

export function open(): Target {
  const seeds = HOSTILE_TEXTS.map((text) => new Uint8Array(Buffer.concat([Buffer.alloc(32, 3), bytesOf(text || "m")])));
  return { name: "store-lines", seeds, mutate: mutateBytes, run };
}
