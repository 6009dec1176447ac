import type { FileFindings, PositionFindings, ShardFindings } from "../base/shard-findings.js";
import type { Diagnosis, Finding, Level } from "../doctor/diagnosis.js";
import { table } from "./text-table.js";

/** A diagnosis as lines for people: what counts first, then what is to be done, then the details. */
export function diagnosisText(diagnosis: Diagnosis): string[] {
  return [
    `${diagnosis.directory}: ${headline(diagnosis)}`,
    "",
    ...findingLines(diagnosis.findings),
    ...table(overview(diagnosis)),
    ...diagnosis.perShard.flatMap((shard) => ["", ...shardLines(shard, diagnosis.lock.state === "held")]),
  ];
}

function headline({ verdict, findings, lock, config }: Diagnosis): string {
  if (lock.state === "held") {
    const end = { whole: "all is whole", damaged: "with damage", refused: "its next start would be refused" }[verdict];
    return `an engine runs here (process ${lock.pid}); ${end}`;
  }
  if (verdict === "refused") return "a start would REFUSE to go on from it";
  if (verdict === "whole") return `all is whole; a start goes on from it${config === null ? "" : " with this configuration"}`;
  return findings.some(({ level }) => level === "loss")
    ? "damaged; a start goes on from it, and something is lost or may be"
    : "damaged; a start repairs it, and nothing that was acked is lost";
}

const ORDER: readonly Level[] = ["refusal", "loss", "repair", "note"];
const WORDS: Record<Level, string> = { refusal: "REFUSED", loss: "LOST", repair: "repaired", note: "note" };

function findingLines(findings: readonly Finding[]): string[] {
  const sorted = ORDER.flatMap((level) => findings.filter((finding) => finding.level === level));
  return sorted.flatMap(({ level, code, file, text }) => [
    `${WORDS[level]}: ${file === null ? "" : `${file}: `}${text}. (${code})`.replace(/\.\. \(/, ". ("),
    "",
  ]);
}

function overview(diagnosis: Diagnosis): string[][] {
  const { formats, lock, store, shards, spread, rulesSaid, queue, disk } = diagnosis;
  const versions = formats.filter(({ found }) => found.length > 0).map(({ what, found }) => `${what} ${found.join(", ")}`);
  const strange = formats.filter(({ canStart }) => !canStart).map(({ what }) => what);
  const clients = Object.entries(spread).map(([tenant, over]) => `${tenant} over ${over}`);
  const webhooks = Object.entries(queue.webhooks).map(([webhook, waiting]) => `${webhook} ${waiting}`);
  const budget =
    disk.budgetBytes === null ? "; its budget is in the configuration" : ` of the ${size(disk.budgetBytes)} that it may take`;
  const fed = store.fed ?? "none yet";
  return [
    [
      "formats",
      `${versions.join("; ") || "none"}${strange.length === 0 ? ": this version starts from them" : `; this version cannot start from ${strange.join(", ")}`}`,
    ],
    ["lock", lockText(lock)],
    ["store fed", `${fed}${store.configured === null ? "" : `; configured: ${store.configured}`}`],
    ["shards", `${shards}${clients.length === 0 ? "" : `; spread over several: ${clients.join(", ")}`}`],
    [
      "rules.json",
      rulesSaid === 0 ? "no rules set while an engine ran" : `${count(rulesSaid, "rule")} set or deleted while an engine ran`,
    ],
    [
      "webhooks",
      `${count(queue.waiting, "transition")} waiting${webhooks.length === 0 ? "" : ` (${webhooks.join(", ")})`}, ${deadText(diagnosis)}`,
    ],
    ["disk", `${size(disk.freeBytes)} free; the journal takes ${size(disk.journalBytes)}${budget}`],
  ];
}

function lockText({ state, pid }: Diagnosis["lock"]): string {
  if (state === "none") return "none: the last engine ended in good order, or none ran";
  const who = pid === null ? "nobody that can be told" : `process ${pid}`;
  return state === "held" ? `held by ${who}, which runs` : `left by ${who}, which is gone; a start takes it over`;
}

function deadText({ queue }: Diagnosis): string {
  const { deadLetters, newestDeadLetter } = queue;
  return `${count(deadLetters, "dead letter")}${newestDeadLetter === null ? "" : `, the newest of ${newestDeadLetter}`}`;
}

function shardLines(shard: ShardFindings, isLive: boolean): string[] {
  const { index, exists, files, snapshots, leftOver, positions, trial } = shard;
  if (!exists) return [`shard ${index}: no directory`];
  if (files.length === 0 && snapshots.length === 0) return [`shard ${index}: empty`];
  const lines = [`shard ${index}`];
  if (positions !== null) lines.push(...positionLines(positions, isLive));
  if (trial?.late) lines.push(`  ${count(trial.late, "late reading")} waiting to be worked in`);
  if (trial !== null && trial.refusal === null)
    lines.push(`  a start was tried on it and took ${(trial.tookMs / 1000).toFixed(1)} s`);
  lines.push(...table([["  file", "bytes", "positions", "whole to byte", "last written", "state"], ...files.map(fileRow)]));
  for (const { name, bytes, position, fault } of [...snapshots].reverse()) {
    const state = fault !== null ? "DAMAGED" : position === positions?.snapshot ? "whole; a start takes it" : "whole; in reserve";
    lines.push(`  ${name}: ${size(bytes)}, position ${position}, ${state}`);
  }
  if (shard.remembersStore)
    lines.push(
      "  store.json: what QuestDB was like when it had everything; where it is not so any more, a start sends again what is kept",
    );
  for (const { name, bytes } of leftOver)
    lines.push(
      `  ${name}: ${size(bytes)}, ${name === "journal.spare" ? "reserved for the next file" : "a copy that was not finished"}; ${isLive ? "in use" : "a start does without it"}`,
    );
  return lines;
}

function positionLines({ snapshot, first, last, replay, stored, unstored, untold }: PositionFindings, isLive: boolean): string[] {
  const from = snapshot === null ? "from the beginning" : `behind the snapshot at position ${snapshot}`;
  const repaired = unstored.repaired === 0 ? "" : ` and ${count(unstored.repaired, "row")} of late ones`;
  return [
    `  positions ${first} to ${last}; ${isLive ? "a start now would replay" : "a start replays"} ${from}: ${size(replay.bytes)}, ${count(replay.units, "unit")}, ${count(replay.readings, "reading")}`,
    stored === last
      ? "  the store has everything"
      : `  the store has everything up to position ${stored}; not known to be there: ${size(unstored.bytes)}, ${count(unstored.readings, "reading")}${repaired}`,
    ...(untold === 0
      ? []
      : [`  ${count(untold, "alert transition")} not known to be kept for webhooks; a start tells them again`]),
  ];
}

function fileRow(file: FileFindings): string[] {
  const { name, bytes, first, last, wholeBytes, writtenMs } = file;
  const written = writtenMs === 0 ? "" : new Date(writtenMs).toISOString().slice(0, 19).replace("T", " ");
  return [`  ${name}`, String(bytes), `${first}..${last}`, String(wholeBytes), written, stateOf(file)];
}

function stateOf({ fault, tail }: FileFindings): string {
  if (fault !== null) return fault.code === "journal_damaged" ? `DAMAGED at byte ${fault.offset}` : `REFUSED (${fault.code})`;
  if (tail === null) return "whole";
  const what = {
    zeros: "reserved zeros",
    copied: "what the next file holds too",
    unfinished: "an unfinished write",
    damaged: "DAMAGED",
  };
  return `whole, then ${tail.bytes} bytes: ${what[tail.kind]}`;
}

function size(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let [value, unit] = [bytes, 0];
  while (value >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]!}`;
}

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? "" : "s"}`;
}
