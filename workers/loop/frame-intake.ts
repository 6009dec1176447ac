import { isUtf8 } from "node:buffer";
import { UnitType } from "../../engine/base/entries.js";
import { rejectCodeIndex } from "../../engine/base/errors.js";
import { limits } from "../../engine/base/limits.js";
import { Input, type Origin, SET_ASIDE } from "../../engine/memory/protocol.js";
import type { RingConsumer } from "../../engine/memory/ring.js";
import { BINARY_HEADER_BYTES, BINARY_READING_BYTES, Header, header, readBindings, readHeader } from "../decode/binary.js";
import { frameHash, hashFrame } from "../decode/frame-hash.js";
import { jsonOf, reading, readReading, readTextFrame, timestampOf } from "../decode/text.js";
import { isRemembered, rememberFrame } from "../state/directory.js";
import { type Applier, rejectOf } from "./applier.js";
import type { Counters } from "./counters.js";
import { printable, Rejects, wholeCharacters } from "./rejects.js";
import { bindAlias, pendingName, type Session, UNBOUND } from "./sessions.js";

/** What became of a frame, for the loop to answer. */
export const Taken = {
  /** Its unit is in the writer: ack when safe. */
  UNIT: 1,
  /** Changed nothing, but is to be acked (a resend) or only gives its bytes back (a bind). */
  NOTHING: 2,
  /** The connection is to be closed with `fault`. */
  CLOSE: 3,
} as const;

const ALIAS_UNBOUND = -1 - rejectCodeIndex("alias_unbound");
const METER_INVALID = -1 - rejectCodeIndex("meter_invalid");
const TS_INVALID = -1 - rejectCodeIndex("ts_invalid");
const VALUE_INVALID = -1 - rejectCodeIndex("value_invalid");
const REV_INVALID = -1 - rejectCodeIndex("rev_invalid");
const EXCHANGE_INVALID = -1 - rejectCodeIndex("exchange_invalid");
const MAX_REV = 2 ** 32 - 1;

/** What is said of a record that is not worked on any more. */
export const setAside = {
  code: "set_aside",
  message:
    "the engine failed on this again and again, and has set it aside; its log says where. Send its readings in other frames",
} as const;

export interface Fault {
  closeCode: number;
  code: string;
  message: string;
}

/**
 * Turns records of the ring into units: judges the seq, decodes, resolves meters, lets the applier work, and
 * writes down what was rejected. One frame at a time; the fields below tell of the last one.
 */
export class FrameIntake {
  readonly #applier: Applier;
  readonly #counters: Counters;
  readonly #splitTenants: ReadonlySet<string>;
  readonly #rejects: Rejects;

  /** Readings of the frame that earlier units of it hold. */
  #journaled = 0;
  /** The head of the open unit. */
  #unit = { type: 0, arrivalMs: 0, datalogger: 0, seq: 0, hashA: 0, hashB: 0 };

  seq = 0;
  /** Readings that were taken. */
  accepted = 0;
  /** Readings in the frame. */
  count = 0;
  /** Readings behind their meters' newest. */
  late = 0;
  fault: Fault = { closeCode: 0, code: "", message: "" };
  /** Called when a unit of a frame is over that has more to come: the unit may be taken out of the writer. */
  readonly #unitOver: () => void;

  constructor(applier: Applier, counters: Counters, splitTenants: ReadonlySet<string>, unitOver: () => void) {
    this.#unitOver = unitOver;
    this.#applier = applier;
    this.#counters = counters;
    this.#rejects = new Rejects(applier.out, counters);
    this.#splitTenants = splitTenants;
  }

  /** Rejects of the frame, each as a JSON object. */
  get rejects(): readonly string[] {
    return this.#rejects.list;
  }

  binary(session: Session, ring: RingConsumer, u32: Uint32Array, f64: Float64Array): number {
    this.#clear();
    const { payloadAt, payloadBytes, number: arrivalMs } = ring;
    const what = readHeader(ring.bytes, u32, payloadAt, payloadBytes);
    if (what === Header.UNREADABLE) return this.#close(1007, "malformed", header.fault);
    if (what === Header.BIND) return this.#bind(session, ring);
    const seq = header.seq;
    hashFrame(ring.bytes, u32, payloadAt, payloadBytes);
    const known = this.#judgeSeq(session, seq);
    if (known !== Taken.UNIT) return known;
    if (what === Header.MALFORMED) return this.#malformed(session, arrivalMs, header.fault, ring);
    const datalogger = this.#begin(session, UnitType.FRAME, arrivalMs, seq);
    const count = header.count;
    this.count = count;
    let word = (payloadAt + BINARY_HEADER_BYTES) >> 2;
    let double = (payloadAt + BINARY_HEADER_BYTES) >> 3;
    const applier = this.#applier;
    for (let i = 0; i < count; i++, word += 6, double += 3) {
      const alias = u32[word]!;
      let meter = alias < session.aliases.length ? session.aliases[alias]! : UNBOUND;
      if (meter < 0) meter = this.#resolveAlias(session, alias, meter, datalogger);
      const answer = meter < 0 ? meter : applier.reading(meter, f64[double + 1]!, f64[double + 2]!, u32[word + 1]!, arrivalMs);
      if (answer === 0) this.accepted++;
      else this.#rejectBinary(session, i, alias, answer, ring.bytes.subarray(word * 4, word * 4 + BINARY_READING_BYTES));
      if (applier.out.length > limits.maxUnitBytes) this.#cut();
    }
    return this.#end(session, seq);
  }

  text(session: Session, ring: RingConsumer, u32: Uint32Array): number {
    this.#clear();
    const { payloadAt, payloadBytes, number: arrivalMs } = ring;
    const bytes = ring.bytes.subarray(payloadAt, payloadAt + payloadBytes);
    const frame = readTextFrame(textOf(bytes));
    if (frame.seq === 0)
      return this.#close(1007, "malformed", frame.fault !== "" ? frame.fault : "a frame over WebSocket needs a seq");
    hashFrame(ring.bytes, u32, payloadAt, payloadBytes);
    const known = this.#judgeSeq(session, frame.seq);
    if (known !== Taken.UNIT) return known;
    if (frame.readings === null) return this.#malformed(session, arrivalMs, frame.fault, ring);
    const datalogger = this.#begin(session, UnitType.FRAME, arrivalMs, frame.seq);
    this.#readings(session.tenant, datalogger, frame.readings, arrivalMs);
    return this.#end(session, frame.seq);
  }

  /** A frame that is not to be worked on: where it has a seq, it is taken as one that cannot be read. */
  setAside(session: Session, ring: RingConsumer, u32: Uint32Array): number {
    this.#clear();
    const { payloadAt, payloadBytes } = ring;
    const bytes = ring.bytes.subarray(payloadAt, payloadAt + payloadBytes);
    const isText = (ring.type & ~SET_ASIDE) === Input.TEXT;
    if (!isText) readHeader(ring.bytes, u32, payloadAt, payloadBytes);
    // By its look alone: what reads it whole may be what it ends.
    const seq = isText ? Number(/"seq"\s*:\s*([0-9]{1,16})/.exec(textOf(bytes))?.[1] ?? 0) : header.seq;
    if (!Number.isSafeInteger(seq) || seq < 1) return this.#close(1011, setAside.code, setAside.message);
    hashFrame(ring.bytes, u32, payloadAt, payloadBytes);
    const known = this.#judgeSeq(session, seq);
    return known === Taken.UNIT ? this.#malformed(session, ring.number, setAside.message, ring) : known;
  }

  /** A post's unit. `fault` is set and CLOSE returned where the body cannot be read at all. */
  post(origin: Origin, body: Uint8Array, arrivalMs: number): number {
    this.#clear();
    if (!isUtf8(body)) return this.#close(400, "malformed", "the body is not UTF-8");
    const frame = readTextFrame(textOf(body));
    this.seq = frame.seq;
    if (frame.readings === null) return this.#close(400, "malformed", frame.fault);
    if (frame.readings.length > limits.maxReadingsPerFrame) {
      return this.#close(
        413,
        "too_many_readings",
        `a post has at most ${limits.maxReadingsPerFrame} readings; this one has ${frame.readings.length}`,
      );
    }
    if (!this.#mayBegin(origin.tenant, origin.datalogger, 429)) return Taken.CLOSE;
    const number = this.#applier.dataloggerNumber(origin.tenant, origin.datalogger);
    this.#beginUnit(UnitType.POST, arrivalMs, number, 0, 0, 0);
    this.#applier.nameDatalogger(origin.tenant, origin.datalogger);
    this.#rejects.of(origin.tenant, number, frame.seq, arrivalMs);
    this.#readings(origin.tenant, number, frame.readings, arrivalMs);
    this.#applier.out.endUnit(this.accepted - this.#journaled);
    this.#count(origin.tenant);
    return Taken.UNIT;
  }

  #clear(): void {
    this.seq = 0;
    this.accepted = 0;
    this.count = 0;
    this.late = 0;
    this.#rejects.clear();
    this.#journaled = 0;
  }

  /** One frame may close years of hours of many meters; its rows leave in parts, so that no writer, unit or batch holds all of them. */
  #cut(): void {
    const { out } = this.#applier;
    const { type, arrivalMs, datalogger, seq, hashA, hashB } = this.#unit;
    out.endPart(this.accepted - this.#journaled);
    this.#journaled = this.accepted;
    this.#unitOver();
    out.beginUnit(type, arrivalMs, datalogger, seq, hashA, hashB);
  }

  #close(closeCode: number, code: string, message: string): number {
    this.fault = { closeCode, code, message };
    return Taken.CLOSE;
  }

  #bind(session: Session, ring: RingConsumer): number {
    const bindings = readBindings(ring.bytes, ring.payloadAt, ring.payloadBytes, header.count);
    if (typeof bindings === "string") return this.#close(1007, "malformed", bindings);
    for (const { alias, meter } of bindings) bindAlias(session, alias, meter);
    return Taken.NOTHING;
  }

  /** UNIT: a new frame. NOTHING: one that was taken before. CLOSE: another frame under a used seq. */
  #judgeSeq(session: Session, seq: number): number {
    this.seq = seq;
    if (session.dataloggerNumber < 0) {
      if (!this.#mayBegin(session.tenant, session.datalogger, 1008)) return Taken.CLOSE;
      session.dataloggerNumber = this.#applier.dataloggerNumber(session.tenant, session.datalogger);
    }
    const { directory } = this.#applier;
    if (session.dataloggerNumber >= directory.dataloggers.length) return Taken.UNIT;
    const state = directory.dataloggerState(session.dataloggerNumber);
    if (seq > state.lastSeq) return Taken.UNIT;
    if (isRemembered(state, seq, frameHash.a, frameHash.b)) return Taken.NOTHING;
    const message = `seq ${seq} was used by another frame, or lies too far back to tell; go on from lastSeq + 1 = ${state.lastSeq + 1}`;
    return this.#close(1008, "seq_reused", message);
  }

  /** Whether a datalogger is known or may still become so; else `fault` is set. */
  #mayBegin(client: string, datalogger: string, closeCode: number): boolean {
    const { directory } = this.#applier;
    const tenant = directory.tenantNumber(client);
    if (tenant < 0 || directory.dataloggerNumber(tenant, datalogger) >= 0) return true;
    const allowed = this.#applier.plan(client)?.maxDataloggers ?? 0;
    if (directory.dataloggerCount(tenant) < allowed) return true;
    this.#close(closeCode, "datalogger_limit", `the client already has ${allowed} dataloggers, which is its limit`);
    return false;
  }

  #begin(session: Session, type: number, arrivalMs: number, seq: number): number {
    this.#beginUnit(type, arrivalMs, session.dataloggerNumber, seq, frameHash.a, frameHash.b);
    this.#rejects.of(session.tenant, session.dataloggerNumber, seq, arrivalMs);
    return this.#applier.nameDatalogger(session.tenant, session.datalogger);
  }

  #beginUnit(type: number, arrivalMs: number, datalogger: number, seq: number, hashA: number, hashB: number): void {
    const unit = this.#unit;
    unit.type = type;
    unit.arrivalMs = arrivalMs;
    unit.datalogger = datalogger;
    unit.seq = seq;
    unit.hashA = hashA;
    unit.hashB = hashB;
    this.#applier.datalogger = datalogger;
    this.#applier.arrivalMs = arrivalMs;
    this.#applier.out.beginUnit(type, arrivalMs, datalogger, seq, hashA, hashB);
  }

  #end(session: Session, seq: number): number {
    this.#applier.out.endUnit(this.accepted - this.#journaled);
    rememberFrame(this.#applier.directory.dataloggerState(session.dataloggerNumber), seq, frameHash.a, frameHash.b);
    this.#count(session.tenant);
    return Taken.UNIT;
  }

  #count(tenant: string): void {
    this.#counters.received(tenant, this.count);
    this.late = this.#applier.takeLate();
    if (this.late > 0) this.#counters.late(tenant, this.late);
    this.#counters.computedReadings += this.accepted;
  }

  /** A frame with a seq and nothing else that can be read: acked, kept raw, so that nobody sends it for ever. */
  #malformed(session: Session, arrivalMs: number, fault: string, ring: RingConsumer): number {
    this.#begin(session, UnitType.FRAME, arrivalMs, this.seq);
    const frame = ring.bytes.subarray(ring.payloadAt, ring.payloadAt + ring.payloadBytes);
    const kept = limits.rejectedFrameBytes;
    const raw = printable(ring.type === Input.TEXT ? wholeCharacters(frame, kept) : frame.subarray(0, kept));
    this.#rejects.frame(fault, raw);
    return this.#end(session, this.seq);
  }

  #resolveAlias(session: Session, alias: number, value: number, datalogger: number): number {
    if (value === UNBOUND) return ALIAS_UNBOUND;
    const id = pendingName(session, value);
    if (id === null) return METER_INVALID;
    const meter = this.#meter(session.tenant, id, datalogger);
    if (meter >= 0) session.aliases[alias] = meter;
    return meter;
  }

  #meter(tenant: string, id: unknown, datalogger: number): number {
    const number = this.#applier.directory.tenantNumber(tenant);
    return this.#applier.meter(number, id, datalogger, this.#splitTenants.has(tenant));
  }

  #readings(tenant: string, datalogger: number, readings: readonly unknown[], arrivalMs: number): void {
    this.count = readings.length;
    for (let i = 0; i < readings.length; i++) {
      readReading(readings[i]);
      const answer = this.#textReading(tenant, datalogger, arrivalMs);
      if (answer === 0) this.accepted++;
      else this.#rejectText(i, answer, readings[i]);
      if (this.#applier.out.length > limits.maxUnitBytes) this.#cut();
    }
  }

  /** Checks `reading` and applies it; 0 or a negative answer. */
  #textReading(tenant: string, datalogger: number, arrivalMs: number): number {
    const { rev = 0, value, exchange } = reading;
    if (typeof reading.meter !== "string") return METER_INVALID;
    const ts = timestampOf(reading.ts);
    if (Number.isNaN(ts)) return TS_INVALID;
    if (typeof rev !== "number" || !Number.isInteger(rev) || rev < 0 || rev > MAX_REV) return REV_INVALID;
    if (exchange !== undefined) return this.#exchange(tenant, datalogger, ts, rev, exchange, arrivalMs);
    if (typeof value !== "number") return VALUE_INVALID;
    const meter = this.#meter(tenant, reading.meter, datalogger);
    return meter < 0 ? meter : this.#applier.reading(meter, ts, value, rev, arrivalMs);
  }

  #exchange(tenant: string, datalogger: number, ts: number, rev: number, exchange: unknown, arrivalMs: number): number {
    const { final, start } = (exchange ?? {}) as { final?: unknown; start?: unknown };
    if (exchange !== null && (typeof final !== "number" || typeof start !== "number")) return EXCHANGE_INVALID;
    const meter = this.#meter(tenant, reading.meter, datalogger);
    if (meter < 0) return meter;
    const withdrawn = exchange === null;
    return this.#applier.exchange(
      meter,
      ts,
      withdrawn ? Number.NaN : (final as number),
      withdrawn ? Number.NaN : (start as number),
      rev,
      arrivalMs,
    );
  }

  #rejectText(index: number, answer: number, element: unknown): void {
    const id = typeof reading.meter === "string" ? wellFormed(reading.meter.slice(0, limits.maxIdChars)) : "";
    const raw = Buffer.from(jsonOf(element, limits.rejectedReadingBytes));
    this.#rejects.reading(index, rejectOf(answer), id, wholeCharacters(raw, limits.rejectedReadingBytes));
  }

  #rejectBinary(session: Session, index: number, alias: number, answer: number, raw: Uint8Array): void {
    const bound = alias < session.aliases.length ? session.aliases[alias]! : UNBOUND;
    const id = bound >= 0 ? this.#applier.directory.meter(bound) : bound < UNBOUND ? (pendingName(session, bound) ?? "") : "";
    this.#rejects.reading(index, rejectOf(answer), id, printable(raw));
  }
}

/** Halves of surrogate pairs, which UTF-8 cannot carry, become U+FFFD. */
function wellFormed(text: string): string {
  return Buffer.from(text).toString("utf8");
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}
