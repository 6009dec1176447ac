import { EntryWriter, entryBytes, Kind, NAME_BYTES, NameType, viewsOf } from "../../engine/base/entries.js";
import { MeterstormError } from "../../engine/base/errors.js";
import { limits } from "../../engine/base/limits.js";
import { timelineText } from "../../engine/base/settings.js";
import type { SnapshotSection } from "../journal/snapshot.js";
import type { Applier } from "./applier.js";

/**
 * A shard's state as sections of a snapshot: the names as NAME entries in order of their numbers, the
 * dataloggers' sequences, the owners of meters, the meters' and the alerts' state, the late inputs that wait, the stored position, and
 * what of the alert transitions is kept elsewhere. `position`: where the state stands in the journal.
 */
export function snapshotSections(applier: Applier, stored: number, position: number): SnapshotSection[] {
  const { told } = applier;
  return [
    { name: "stored", parts: [bytesOf(new Float64Array([stored, Math.min(told.from, position), told.position]))] },
    { name: "names", parts: [namesOf(applier)] },
    { name: "dataloggers", parts: dataloggersOf(applier) },
    { name: "owners", parts: [ownersOf(applier)] },
    { name: "meters", parts: withLengths(applier.book.snapshot()) },
    { name: "alerts", parts: withLengths(applier.alerts.snapshot()) },
    { name: "late", parts: [bytesOf(applier.late.encode())] },
  ];
}

/** Fills an empty applier from a snapshot; returns the stored position. */
export function restoreSections(applier: Applier, sections: ReadonlyMap<string, Uint8Array>): number {
  const section = (name: string): Uint8Array => {
    const bytes = sections.get(name);
    if (bytes === undefined)
      throw new MeterstormError(
        "snapshot_damaged",
        `the snapshot has no section "${name}"; remove it to start from the one before`,
      );
    return bytes;
  };
  const owners = wordsOf(section("owners"));
  replayNames(section("names"), (type, number, parent, text, detail) => {
    applier.replayName(type, number, parent, text, detail, type === NameType.METER ? owners[number]! : 0);
  });
  restoreDataloggers(applier, section("dataloggers"));
  applier.book.restore(partsOf(section("meters")));
  for (let meter = 0; meter < applier.directory.meterCount; meter++) applier.useSettings(meter);
  applier.alerts.restore(partsOf(section("alerts")));
  applier.late.decode(doublesOf(section("late")));
  const [stored = 0, from = Number.NaN, told = 0] = doublesOf(section("stored"));
  applier.told.from = from;
  applier.told.position = told;
  return stored;
}

/** A byte order mark at the beginning of a name is part of it. */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** Walks NAME entries. */
export function replayNames(
  bytes: Uint8Array,
  name: (type: number, number: number, parent: number, text: string, detail: number) => void,
): void {
  const views = viewsOf(bytes);
  for (let at = 0; at < views.u8.length; at += entryBytes(views, at)) {
    const word = at >> 2;
    if ((views.u32[word]! & 0xff) !== Kind.NAME) continue;
    const text = utf8.decode(views.u8.subarray(at + NAME_BYTES, at + NAME_BYTES + views.u32[word + 3]!));
    name(views.u32[word]! >>> 8, views.u32[word + 1]!, views.u32[word + 2]!, text, views.f64[(at >> 3) + 2]!);
  }
}

function namesOf({ directory, settings, alerts }: Applier): Uint8Array {
  const out = new EntryWriter();
  for (let n = 0; n < directory.tenantCount; n++) out.name(NameType.TENANT, n, 0, directory.tenant(n));
  for (const state of directory.dataloggers) out.name(NameType.DATALOGGER, state.number, state.tenant, state.id);
  settings.forEach((entry, n) => {
    out.name(NameType.SETTINGS, n, 0, timelineText(entry));
  });
  for (let n = 0; n < directory.tenantCount; n++) out.name(NameType.RULES, n, n, JSON.stringify(alerts.rulesOf(n)));
  for (const [n, id] of directory.rules.entries()) out.name(NameType.RULE, n, 0, id);
  for (let n = 0; n < directory.meterCount; n++) {
    out.name(NameType.METER, n, directory.meterTenant(n), directory.meter(n), directory.meterSettings(n));
  }
  return out.bytes();
}

function ownersOf({ directory }: Applier): Uint8Array {
  const owners = new Uint32Array(directory.meterCount);
  for (let n = 0; n < owners.length; n++) owners[n] = directory.meterOwner(n);
  return bytesOf(owners);
}

/** Per datalogger: f64 lastSeq, f64 frames taken, then seqs (f64) and hashes (2 × u32) of the remembered ones. */
function dataloggersOf({ directory }: Applier): Uint8Array[] {
  return directory.dataloggers.flatMap((state) => {
    const known = Math.min(state.frames, limits.rememberedFrames);
    return [
      bytesOf(new Float64Array([state.lastSeq, state.frames])),
      bytesOf(state.seqs.slice(0, known)),
      bytesOf(state.hashes.slice(0, known * 2)),
    ];
  });
}

function restoreDataloggers({ directory }: Applier, bytes: Uint8Array): void {
  let at = 0;
  for (const state of directory.dataloggers) {
    const [lastSeq = 0, frames = 0] = doublesOf(bytes.subarray(at, at + 16));
    const known = Math.min(frames, limits.rememberedFrames);
    at += 16;
    state.seqs.set(doublesOf(bytes.subarray(at, at + known * 8)));
    at += known * 8;
    state.hashes.set(wordsOf(bytes.subarray(at, at + known * 8)));
    at += known * 8;
    state.lastSeq = lastSeq;
    state.safeSeq = lastSeq;
    state.frames = frames;
  }
}

/** Parts joined by the snapshot are told apart again by a leading f64 count and f64 lengths. */
function withLengths(parts: readonly Uint8Array[]): Uint8Array[] {
  return [bytesOf(new Float64Array([parts.length, ...parts.map((part) => part.length)])), ...parts];
}

function partsOf(bytes: Uint8Array): Uint8Array[] {
  const [count = 0] = doublesOf(bytes.subarray(0, 8));
  const lengths = doublesOf(bytes.subarray(8, 8 + count * 8));
  let at = 8 + count * 8;
  return [...lengths].map((length) => {
    at += length;
    return bytes.slice(at - length, at);
  });
}

function bytesOf(array: Float64Array | Uint32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function doublesOf(bytes: Uint8Array): Float64Array {
  return new Float64Array(bytes.slice().buffer);
}

function wordsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.slice().buffer);
}
