import type { Disk } from "../../engine/base/disk.js";
import { Kind, UnitType } from "../../engine/base/entries.js";
import { entryBytes, viewsOf } from "../../engine/base/entry-views.js";
import { limits } from "../../engine/base/limits.js";
import type { PositionFindings } from "../../engine/base/shard-findings.js";
import { unitBytes } from "../journal/block.js";
import { DiskReader } from "../journal/disk-reader.js";
import type { Segment } from "../journal/segment.js";
import type { Snapshot } from "../journal/snapshot.js";

/** What a shard had written down by some position: up to where the store has everything, and which alert transitions are kept elsewhere. */
interface WrittenDown {
  stored: number;
  toldFrom: number;
  told: number;
}

/**
 * Where a shard stands: what lies behind its newest whole snapshot, behind what the store has, and behind what the notifier has. Null
 * where the files do not reach back to the snapshot. Rejects where units cannot be read.
 */
export async function countUnits(
  disk: Disk,
  segments: readonly Segment[],
  snapshot: Snapshot | null,
): Promise<PositionFindings | null> {
  const first = segments[0]?.start ?? 0;
  const last = segments.at(-1)?.end ?? 0;
  const from = snapshot?.position ?? 0;
  if (from < first || from > last) return null;
  const found: PositionFindings = {
    ...{ snapshot: snapshot?.position ?? null, first, last, stored: 0, untold: 0 },
    replay: { bytes: last - from, units: 0, readings: 0 },
    unstored: { bytes: 0, units: 0, readings: 0, repaired: 0 },
  };
  const said = writtenDown(snapshot, from);
  for await (const { bytes } of unitsFrom(disk, segments, from, last)) {
    eachUnit(bytes, (at, views) => {
      found.replay.units++;
      found.replay.readings += readingsOf(views.u32, at);
      for (let entry = at + entryBytes(views, at); entry < at + unitBytes(views.u8, at); entry += entryBytes(views, entry)) {
        const kind = views.u32[entry >> 2]! & 0xff;
        if (kind === Kind.STORED) said.stored = views.f64[(entry >> 3) + 1]!;
        if (kind === Kind.TOLD) [said.toldFrom, said.told] = [views.f64[(entry >> 3) + 1]!, views.f64[(entry >> 3) + 2]!];
      }
    });
  }
  found.stored = Math.min(last, Math.max(said.stored, first));
  found.unstored.bytes = last - found.stored;
  const toldFrom = Math.max(said.toldFrom, first);
  for await (const { bytes, position } of unitsFrom(disk, segments, Math.min(found.stored, toldFrom), last)) {
    eachUnit(bytes, (at, views) => {
      if (position + at >= found.stored) {
        found.unstored.units++;
        found.unstored.readings += readingsOf(views.u32, at);
        if (views.u32[at >> 2]! >>> 8 === UnitType.REPAIR) found.unstored.repaired += views.u32[(at >> 2) + 5]!;
      }
      if (position + at < toldFrom) return;
      for (let entry = at; entry < at + unitBytes(views.u8, at); ) {
        const kind = views.u32[entry >> 2]! & 0xff;
        entry += entryBytes(views, entry);
        if (kind === Kind.ALERT && position + entry > said.told) found.untold++;
      }
    });
  }
  return found;
}

/** As `open-shard.ts` takes it: of a snapshot that does not say so, nothing is told again. */
function writtenDown(snapshot: Snapshot | null, from: number): WrittenDown {
  const bytes = snapshot?.sections.get("stored");
  const [stored = 0, toldFrom = from, told = 0] = bytes === undefined ? [] : new Float64Array(bytes.slice().buffer);
  return { stored, toldFrom: Number.isNaN(toldFrom) ? from : toldFrom, told };
}

type Views = ReturnType<typeof viewsOf>;

/** Of a repair none: it works in what came with other units. */
function readingsOf(u32: Uint32Array, at: number): number {
  return u32[at >> 2]! >>> 8 === UnitType.REPAIR ? 0 : u32[(at >> 2) + 5]!;
}

function eachUnit(bytes: Uint8Array, take: (at: number, views: Views) => void): void {
  const views = viewsOf(bytes);
  for (let at = 0; at < bytes.length; at += unitBytes(views.u8, at)) take(at, views);
}

async function* unitsFrom(
  disk: Disk,
  segments: readonly Segment[],
  from: number,
  to: number,
): AsyncGenerator<{ bytes: Uint8Array; position: number }, void, undefined> {
  const reader = new DiskReader(disk);
  for (let at = from; at < to; ) {
    const { pieces, end } = await reader.read(segments, at, limits.journalBlockBytes, to);
    let position = at;
    for (const bytes of pieces) {
      yield { bytes, position };
      position += bytes.length;
    }
    at = end;
  }
}
