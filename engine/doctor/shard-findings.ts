import type { FileFindings, ShardFindings } from "../base/shard-findings.js";
import type { Finding, Level } from "./diagnosis.js";

type Say = (level: Level, code: string, file: string | null, text: string) => void;

/**
 * What is to be said of a shard, whose directory is `folder` below the data directory. `isLive`: an engine works in it, and what it is just writing is no damage. `isMissed`: others hold
 * something, so that this one should be there.
 */
export function shardFindings(shard: ShardFindings, folder: string, isLive: boolean, isMissed: boolean): Finding[] {
  const findings: Finding[] = [];
  const say: Say = (level, code, file, text) =>
    findings.push({ level, code, shard: shard.index, file: file === null ? folder : `${folder}/${file}`, text });
  if (!shard.exists) {
    if (isMissed) say("loss", "shard_missing", null, MISSING);
    return findings;
  }
  for (const file of shard.files) fileFindings(file, isLive, say);
  const empty = shard.files.at(-1);
  if (empty !== undefined && empty.fault === null && empty.last === empty.first && empty.tail === null && !isLive)
    say("note", "journal_empty", empty.name, "it was begun and holds nothing; a start removes it");
  rewritten(shard, isLive, say);
  snapshotFindings(shard, say);
  for (const name of shard.unknown) say("note", "unknown_file", name, "it is none of ours; a start leaves it alone");
  const refusal = shard.trial?.refusal ?? null;
  const isSaid = refusal === null || findings.some(({ level, text }) => level === "refusal" && text === refusal.message);
  if (!isSaid) say("refusal", refusal.code, null, refusal.message);
  return findings;
}

const MISSING =
  "its directory is missing while other shards have theirs: a start begins it empty. What it had acked and the store had not taken yet is lost, and the state of its meters with it. Put it back from a copy";

function fileFindings({ name, fault, tail, wholeBytes, last }: FileFindings, isLive: boolean, say: Say): void {
  if (fault !== null) say("refusal", fault.code, name, fault.message);
  if (tail === null || tail.kind === "zeros" || tail.kind === "copied") return;
  const where = `${tail.bytes} bytes from byte ${wholeBytes} (position ${last}) on`;
  if (isLive) say("note", "journal_being_written", name, `${where} are not whole: they are being written now`);
  else if (tail.kind === "unfinished") {
    const text = `${where} are the beginning of a write that did not come to its end. A start cuts them. Nothing in them was acked, unless the file was shortened or the disk lost what it had synced`;
    say("repair", "journal_torn", name, text);
  } else {
    const text = `${where} were written in full and are not what was written. A start cuts them. If a power cut tore that write apart, nothing in them was acked; if the disk or somebody changed them since, what they held may have been acked and is lost: look for a copy of this file before a start`;
    say("loss", "journal_tail_damaged", name, text);
  }
}

function rewritten({ files, durable }: ShardFindings, isLive: boolean, say: Say): void {
  const last = files.findLast((file) => file.last > file.first);
  if (isLive || last === undefined || last.fault !== null || durable >= last.last) return;
  const text = `the engine did not end in good order. Positions ${Math.max(durable, last.first)} to ${last.last} are whole, and whether they were synced is not known: a start keeps them and writes them again`;
  say("note", "journal_not_closed", last.name, text);
}

function snapshotFindings({ snapshots, trial }: ShardFindings, say: Say): void {
  const taken = snapshots.findLast(({ fault }) => fault === null);
  for (const { name, position, fault } of snapshots) {
    if (fault === null) continue;
    // Where it is newer than all that are whole, and of another version, a start does not pass it over.
    const isRefused = fault.code === "snapshot_version" && trial?.refusal?.code === "snapshot_version";
    if (isRefused) say("refusal", fault.code, name, fault.message);
    else if (taken === undefined) say("note", fault.code, name, fault.message);
    else if (taken.position > position)
      say("repair", fault.code, name, `it is damaged, and a newer one is whole: a start does not need it (${fault.message})`);
    else {
      const text = `it is damaged: a start takes the one at position ${taken.position} and replays more of the journal; nothing is lost (${fault.message})`;
      say("repair", fault.code, name, text);
    }
  }
}
