import { MeterstormError } from "../base/errors.js";

/** What the columns of a file of readings mean; -1: there is none. */
export interface Columns {
  readonly meter: number;
  readonly ts: number;
  readonly value: number;
  /** The file lists energy of intervals by their start, not readings. */
  readonly intervals: boolean;
}

/** Splits a line at its commas; a field may be in double quotes, a quote within it doubled. */
export function splitLine(line: string): string[] {
  if (!line.includes('"')) return line.split(",");
  const fields: string[] = [];
  let field = "";
  let quoted = false;
  for (let i = 0; i < line.length; i++) {
    const c = line[i]!;
    if (quoted && c === '"' && line[i + 1] === '"') field += line[++i]!;
    else if (c === '"') quoted = !quoted;
    else if (c === "," && !quoted) {
      fields.push(field);
      field = "";
    } else field += c;
  }
  fields.push(field);
  return fields;
}

/** Finds the columns by the header's names. Throws MeterstormError `csv_header`. */
export function columnsOf(header: string): Columns {
  const names = splitLine(header.replace(/^\uFEFF/, "")).map((name) => name.trim().toLowerCase());
  const intervals = names.includes("start") && names.includes("energy");
  const columns = {
    meter: names.indexOf("meter"),
    ts: names.indexOf(intervals ? "start" : "ts"),
    value: names.indexOf(intervals ? "energy" : "value"),
    intervals,
  };
  if (columns.ts < 0 || columns.value < 0) {
    throw new MeterstormError(
      "csv_header",
      `the first line is ${JSON.stringify(header.slice(0, 100))}; it must name the columns: ts,value or meter,ts,value or start,energy (others are passed over)`,
    );
  }
  return columns;
}

/** Epoch ms from whole epoch milliseconds or RFC 3339 with an offset; NaN where it is neither. */
export function parseTs(text: string): number {
  const trimmed = text.trim();
  if (/^-?\d{1,15}$/.test(trimmed)) return Number(trimmed);
  return /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.test(trimmed)
    ? Date.parse(trimmed.replace(" ", "T"))
    : Number.NaN;
}
