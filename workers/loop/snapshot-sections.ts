import { Kind, NAME_BYTES, NameType } from "../../engine/base/entries.js";
import { entryBytes, viewsOf } from "../../engine/base/entry-views.js";
import { MeterstormError } from "../../engine/base/errors.js";
import type { SnapshotSection } from "../journal/snapshot.js";
import { doublesOf } from "../state/cut-records.js";
import { restoreDataloggers } from "../state/directory-cut.js";
import type { Applier } from "./applier.js";
import { ShardCut } from "./shard-cut.js";

/** A shard's state as sections of a snapshot, in one go. `stored`: what the store has; `position`: where the state stands in the journal. */
export function snapshotSections(applier: Applier, stored: number, position: number): SnapshotSection[] {
  const sections = new Map<string, Uint8Array[]>(SECTIONS.map((name) => [name, []]));
  const cut = new ShardCut(applier, stored, position, (section, bytes) => sections.get(section)!.push(bytes));
  try {
    cut.advance();
  } finally {
    cut.end();
  }
  return [...sections].map(([name, parts]) => ({ name, parts }));
}

const SECTIONS = ["stored", "names", "dataloggers", "owners", "meters", "alerts", "alert-rules", "late"];

/** Fills an empty applier from a snapshot; returns the stored position. */
export function restoreSections(applier: Applier, sections: ReadonlyMap<string, Uint8Array>): number {
  // What has nothing to say may be left out; what always has must be there.
  const section = (name: string, isAlwaysThere = false): Uint8Array => {
    const bytes = sections.get(name) ?? new Uint8Array(0);
    if (bytes.length === 0 && isAlwaysThere)
      throw new MeterstormError(
        "snapshot_damaged",
        `the snapshot has no section "${name}"; remove it to start from the one before`,
      );
    return bytes;
  };
  const reached = section("stored", true);
  const owners = section("owners");
  const ownerOf = new Uint32Array(owners.buffer, owners.byteOffset, owners.length >> 2);
  replayNames(section("names"), (type, number, parent, text, detail) => {
    applier.replayName(type, number, parent, text, detail, type === NameType.METER ? ownerOf[number]! : 0);
  });
  restoreDataloggers(applier.directory.dataloggers, section("dataloggers"));
  applier.book.restore([section("meters")]);
  for (let meter = 0; meter < applier.directory.meterCount; meter++) applier.useSettings(meter);
  applier.alerts.restore([section("alert-rules", true), section("alerts")]);
  applier.late.restore(section("late"));
  const [stored = 0, from = Number.NaN, told = 0] = doublesOf(reached);
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
