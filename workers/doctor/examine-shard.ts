import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { Disk } from "../../engine/base/disk.js";
import { nodeDisk } from "../../engine/base/node-disk.js";
import type {
  Failure,
  FileFindings,
  PositionFindings,
  ShardFindings,
  ShardToExamine,
  SnapshotFindings,
} from "../../engine/base/shard-findings.js";
import { DamagedJournal } from "../journal/segment.js";
import { loadSnapshot } from "../journal/snapshot.js";
import { type Survey, type SurveyedFile, survey } from "../journal/survey.js";
import { countUnits } from "./count-units.js";
import { tailOf } from "./tail.js";
import { failureOf, tryStart } from "./trial-start.js";

const SNAPSHOT = /^snapshot-(\d{16})\.snap$/;
const JOURNAL = /^journal-\d{16}\.seg$/;
const LEFT_OVER = ["journal.tmp", "journal.spare", "snapshot.tmp"];
/** What a shard knows of its store, which is nothing that a start needs. */
const STORE_MEMORY = "store.json";
const OF_THE_STORE = [STORE_MEMORY, `${STORE_MEMORY}.tmp`];
/** A running engine writes and deletes: what looks wrong is looked at again, so often and after so long. */
const LOOKS = 5;
const LOOK_AGAIN_MS = 100;

/** Reads a shard's directory through and says how it is; where no engine works in it, tries a start too. Changes nothing. */
export async function examineShard(task: ShardToExamine): Promise<ShardFindings> {
  const { directory, isLive } = task;
  const name = `shard ${task.index} of ${task.shards}`;
  const seen = await steadily(isLive, () => survey(nodeDisk, directory, name));
  const names = await nodeDisk.list(directory);
  const snapshots = await snapshotsIn(directory, names, isLive);
  return {
    index: task.index,
    exists: existsSync(directory),
    files: await filesOf(seen),
    durable: seen.files.at(-1)?.durable ?? 0,
    snapshots,
    leftOver: await sized(
      directory,
      names.filter((each) => LEFT_OVER.includes(each)),
    ),
    remembersStore: names.includes(STORE_MEMORY),
    unknown: names.filter(
      (each) => ![JOURNAL, SNAPSHOT].some((form) => form.test(each)) && ![...LEFT_OVER, ...OF_THE_STORE].includes(each),
    ),
    positions: seen.fault === null ? await positionsOf(directory, seen) : null,
    trial: isLive ? null : await tryStart(task),
  };
}

/** What a running engine was just doing is no fault: one counts when it is still the same after a while. */
async function steadily(isLive: boolean, look: () => Promise<Survey>): Promise<Survey> {
  let seen = await look();
  for (let i = 1; isLive && seen.fault !== null && i < LOOKS; i++) {
    await delay(LOOK_AGAIN_MS);
    const again = await look();
    const isSame = again.fault?.message === seen.fault.message;
    seen = again;
    if (isSame) break;
  }
  return seen;
}

async function filesOf({ files }: Survey): Promise<FileFindings[]> {
  const found: FileFindings[] = [];
  for (const [i, file] of files.entries()) {
    const { path, start, end, bytes, writtenMs } = file.segment;
    const size = await sizeOf(path);
    // An engine may have deleted it meanwhile.
    if (size === null) continue;
    const tail = file.fault === null && file.torn ? await tailOf(path, bytes, i === files.length - 1) : null;
    found.push({
      ...{ name: nameOf(path), bytes: size, version: await versionOf(path, "METERJNL") },
      ...{ first: start, last: end, wholeBytes: bytes, writtenMs, tail, fault: faultOf(file) },
    });
  }
  return found;
}

function faultOf({ fault }: SurveyedFile): FileFindings["fault"] {
  if (fault === null) return null;
  return { ...failureOf(fault), offset: fault instanceof DamagedJournal ? fault.offset : null };
}

async function snapshotsIn(directory: string, names: readonly string[], isLive: boolean): Promise<SnapshotFindings[]> {
  const found: SnapshotFindings[] = [];
  for (const name of names) {
    const position = SNAPSHOT.exec(name)?.[1];
    if (position === undefined) continue;
    const bytes = await sizeOf(`${directory}/${name}`);
    const fault = await faultOfSnapshot(directory, name);
    if (bytes === null || (isLive && (await sizeOf(`${directory}/${name}`)) === null)) continue;
    const version = await versionOf(`${directory}/${name}`, "METERSNP");
    found.push({ name, bytes, version, position: Number(position), fault });
  }
  return found;
}

/** As a start judges it, were it the only one. */
async function faultOfSnapshot(directory: string, name: string): Promise<Failure | null> {
  const alone: Disk = { ...nodeDisk, list: () => Promise.resolve([name]) };
  try {
    await loadSnapshot(alone, directory);
    return null;
  } catch (error) {
    return failureOf(error);
  }
}

/** Journal files and snapshots say it at the same place in every version. */
async function versionOf(path: string, magic: string): Promise<number | null> {
  const head = await nodeDisk.readAt(path, 0, 12).catch(() => new Uint8Array(0));
  if (head.length < 12 || Buffer.from(head.subarray(0, 8)).toString("latin1") !== magic) return null;
  return new DataView(head.buffer, head.byteOffset).getUint32(8, true);
}

async function positionsOf(directory: string, { files }: Survey): Promise<PositionFindings | null> {
  const segments = files.filter(({ isEmpty }) => !isEmpty).map(({ segment }) => segment);
  try {
    return await countUnits(nodeDisk, segments, await loadSnapshot(nodeDisk, directory));
  } catch {
    // Said where it belongs: by the snapshots, or by the trial.
    return null;
  }
}

async function sized(directory: string, names: readonly string[]): Promise<{ name: string; bytes: number }[]> {
  const found: { name: string; bytes: number }[] = [];
  for (const name of names) {
    const bytes = await sizeOf(`${directory}/${name}`);
    if (bytes !== null) found.push({ name, bytes });
  }
  return found;
}

/** Null: it is not there. */
async function sizeOf(path: string): Promise<number | null> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
