import { Columns, type FrameMaker, Pool, Slices } from "./frame-maker.js";
import { jitter, type Series } from "./series.js";

/** How a reading is written: `{"meter":…,"ts":…,"value":…}` or `[meter,ts,value]`. */
export type TextForm = "object" | "array";

const SEQ_DIGITS = 16;
const HEAD = `{"seq":${" ".repeat(SEQ_DIGITS)},"readings":[`;
const SEQ_AT = HEAD.indexOf(" ");
const TS_DIGITS = 13;
const VALUE_CHARS = "123456.789".length;

/** The digits of 0 … 999, three bytes each. */
const DIGITS = Buffer.from(Array.from({ length: 1000 }, (_, n) => String(n).padStart(3, "0")).join(""));

/** A text reading with holes of fixed width for ts and value. */
function textParts(form: TextForm): [string, string, string, string] {
  return form === "object" ? ['{"meter":"', '","ts":', ',"value":', "}"] : ['["', '",', ",", "]"];
}

/** Text frames, whose digits are rewritten in place: seq is padded with spaces, which JSON allows. */
export class TextFrameMaker implements FrameMaker {
  readonly binary = false;
  readonly #series: Series;
  readonly #datalogger: number;
  readonly #form: TextForm;
  readonly slices: Slices;
  readonly #columns: Columns;
  readonly #pool = new Pool();
  /** Bytes of one reading and the comma after it. */
  readonly #stride: number;

  constructor(series: Series, datalogger: number, wanted: number, form: TextForm) {
    this.#series = series;
    this.#datalogger = datalogger;
    this.#form = form;
    this.slices = new Slices(series.options.metersPerDatalogger, wanted);
    this.#columns = new Columns(series, datalogger);
    this.#stride = TextFrameMaker.readingBytes(series, form);
  }

  static readingBytes(series: Series, form: TextForm): number {
    return textParts(form).join("").length + series.meterId(0, 0).length + TS_DIGITS + VALUE_CHARS + 1;
  }

  /** How many readings fit a frame of so many bytes. */
  static readingsIn(series: Series, form: TextForm, frameBytes: number): number {
    return Math.floor((frameBytes - HEAD.length - 1) / TextFrameMaker.readingBytes(series, form));
  }

  bytesOf(k: number): number {
    return HEAD.length + this.slices.readingsOf(k) * this.#stride + 1;
  }

  #layOut(k: number): Buffer {
    const [open, afterId, afterTs, close] = textParts(this.#form);
    const texts: string[] = [];
    for (let index = 0; index < this.slices.readingsOf(k); index++) {
      const id = this.#series.meterId(this.#datalogger, this.slices.locate(k, index).meter);
      texts.push(`${open}${id}${afterId}${"0".repeat(TS_DIGITS)}${afterTs}000000.000${close}`);
    }
    return Buffer.from(`${HEAD}${texts.join(",")}]}`);
  }

  make(k: number, seq: number, readings = this.slices.readingsOf(k)): Buffer {
    const { slices } = this;
    const frame = this.#pool.take(slices.slice(k)) ?? this.#layOut(k);
    frame.write(String(seq).padStart(SEQ_DIGITS), SEQ_AT, "latin1");
    const [open, afterId, afterTs] = textParts(this.#form);
    const { base, step, hash, firstTs } = this.#columns;
    const first = slices.firstMeter(k);
    const end = first + slices.metersOf(k);
    const firstRound = slices.firstRound(k);
    let tsAt = HEAD.length + open.length + this.#series.meterId(0, 0).length + afterId.length;
    const toValue = TS_DIGITS + afterTs.length;
    for (let round = firstRound; round < firstRound + slices.rounds; round++) {
      const sinceStart = round * this.#series.options.intervalMs;
      for (let meter = first; meter < end; meter++) {
        writeTs(frame, tsAt, firstTs[meter]! + sinceStart);
        writeValue(frame, tsAt + toValue, base[meter]! + round * step[meter]! + jitter(hash[meter]!, round));
        tsAt += this.#stride;
      }
    }
    if (readings === this.slices.readingsOf(k)) return frame;
    const bytes = HEAD.length + readings * this.#stride + 1;
    frame.write("]}", bytes - 2, "latin1");
    return frame.subarray(0, bytes);
  }

  release(k: number, frame: Buffer): void {
    this.#pool.put(this.slices.slice(k), frame, this.bytesOf(k));
  }
}

function writeThousand(frame: Buffer, at: number, n: number): void {
  const from = n * 3;
  frame[at] = DIGITS[from]!;
  frame[at + 1] = DIGITS[from + 1]!;
  frame[at + 2] = DIGITS[from + 2]!;
}

/** 13 digits: every instant from 2001 to 2286. */
function writeTs(frame: Buffer, at: number, ts: number): void {
  const high = Math.floor(ts / 1e6);
  const low = ts - high * 1e6;
  const highest = Math.floor(high / 1e6);
  const middle = high - highest * 1e6;
  frame[at] = 48 + highest;
  writeThousand(frame, at + 1, Math.floor(middle / 1000));
  writeThousand(frame, at + 4, middle % 1000);
  writeThousand(frame, at + 7, Math.floor(low / 1000));
  writeThousand(frame, at + 10, low % 1000);
}

/** 9 digits of whole units, three of them behind the point. */
function writeValue(frame: Buffer, at: number, units: number): void {
  writeThousand(frame, at, Math.floor(units / 1e6));
  writeThousand(frame, at + 3, Math.floor(units / 1000) % 1000);
  writeThousand(frame, at + 7, units % 1000);
}
