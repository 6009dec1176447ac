import assert from "node:assert/strict";
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { crc32 } from "node:zlib";
import type { Rule, TenantPlan } from "../../engine/base/settings.js";
import type { ShardFindings } from "../../engine/base/shard-findings.js";
import type { Finding } from "../../engine/doctor/diagnosis.js";
import { verdictOf } from "../../engine/doctor/diagnosis.js";
import { shardFindings } from "../../engine/doctor/shard-findings.js";
import { examineShard } from "../../workers/doctor/examine-shard.js";
import { acme, freshPath, give, openAt, printOf, startOnCopy, taskFor } from "./shard-maker.js";

/** Several files, and blocks smaller than the largest unit. */
const small = { blockBytes: 1024, segmentBytes: 2048 };
const SNAPSHOT = /^snapshot-/;

/** Two snapshots among several files, whole units behind them; `ends`: where units end. */
interface Made {
  directory: string;
  ends: number[];
}

async function make(options: { closes: boolean; segmentBytes?: number; last?: number }): Promise<Made> {
  const directory = freshPath();
  const shard = await openAt(directory, { ...small, segmentBytes: options.segmentBytes ?? small.segmentBytes }, [acme]);
  const ends: number[] = [];
  for (let seq = 1; seq <= 12; seq++) {
    ends.push(await give(shard, seq, seq === 12 ? (options.last ?? 40) : 5));
    if (seq === 4 || seq === 8) await shard.snapshots.write(0);
  }
  if (options.closes) {
    await shard.journal.close();
    return { directory, ends };
  }
  // As a killed process leaves it.
  const copy = freshPath();
  cpSync(directory, copy, { recursive: true });
  await shard.journal.close();
  return { directory: copy, ends };
}

function files(directory: string, pattern = /^journal-\d/): string[] {
  return readdirSync(directory)
    .filter((name) => pattern.test(name))
    .sort();
}

/** What the doctor says of a directory, held against what a start on a copy of it does; and that it has changed nothing. */
async function agreed(
  directory: string,
  what: string,
  plans: TenantPlan[] | null = null,
): Promise<{ found: ShardFindings; findings: Finding[]; end: number }> {
  const print = printOf(directory);
  const found = await examineShard(taskFor(directory, plans));
  assert.equal(printOf(directory), print, `${what}: something was changed`);
  const findings = shardFindings(found, "shard-0", false, true);
  const real = await startOnCopy(directory, plans ?? []);
  assert.deepEqual(found.trial?.refusal, real.refusal, what);
  assert.equal(verdictOf(findings) === "refused", real.refusal !== null, `${what}: ${JSON.stringify(findings)}`);
  if (real.refusal !== null) {
    assert.ok(
      findings.some(({ level, text }) => level === "refusal" && text === real.refusal?.message),
      what,
    );
    return { found, findings, end: -1 };
  }
  assert.equal(found.positions?.last, real.end, `${what}: where the journal ends`);
  assert.equal(found.trial?.late, real.late, what);
  const last = found.files.findLast((file) => file.last > file.first);
  for (const file of found.files) {
    const left = real.files.get(file.name);
    if (file.last === file.first) assert.equal(left, undefined, `${what}: ${file.name} is removed`);
    else if (file !== last || found.durable >= last.last) assert.equal(left, file.wholeBytes, `${what}: ${file.name} is cut`);
  }
  for (const { name } of found.leftOver) if (name.startsWith("journal")) assert.ok(!real.files.has(name), `${what}: ${name}`);
  return { found, findings, end: real.end };
}

function copyOf({ directory }: Made): string {
  const copy = freshPath();
  cpSync(directory, copy, { recursive: true });
  return copy;
}

function codes(findings: readonly Finding[]): string[] {
  return findings.map(({ level, code }) => `${level} ${code}`);
}

describe("what doctor says of a shard is what a start does", () => {
  let closed: Made;
  let killed: Made;
  before(async () => {
    closed = await make({ closes: true });
    killed = await make({ closes: false, segmentBytes: 1 << 20 });
  });

  it("of one that was closed in good order, and of one that was killed: nothing is damaged", async () => {
    const whole = await agreed(closed.directory, "closed");
    assert.deepEqual(whole.findings, []);
    assert.equal(whole.found.files.length > 2, true);
    const { positions } = whole.found;
    assert.deepEqual([positions?.snapshot, positions?.last], [closed.ends[7], closed.ends[11]]);
    assert.deepEqual([positions?.replay.units, positions?.replay.readings], [4, 55]);
    assert.deepEqual([positions?.unstored.units, positions?.unstored.readings], [12, 95]);

    const after = await agreed(killed.directory, "killed");
    assert.deepEqual(codes(after.findings), ["note journal_not_closed"]);
  });

  it("of a last block cut at every byte, zeroed or overwritten from there on", { timeout: 120_000 }, async () => {
    const tiny = await make({ closes: false, segmentBytes: 1 << 20, last: 1 });
    const seen = await cutEverywhere(tiny, 1, 1);
    assert.deepEqual(seen, new Set(["whole", "unfinished", "zeros", "damaged"]));
    // The last unit takes several blocks.
    await cutEverywhere(killed, 5, 251);
  });

  /** Cuts the last file from the beginning of its last `blocks` blocks on; returns how its end was judged. */
  async function cutEverywhere(from: Made, blocks: number, step: number): Promise<Set<string>> {
    const name = files(from.directory).at(-1)!;
    const content = readFileSync(join(from.directory, name));
    const { length } = content;
    const scratch = copyOf(from);
    const seen = new Set<string>();
    const begin = blocksOf(content).at(-blocks)!;
    for (let cut = begin; cut < length; cut += step) {
      for (const filler of (cut - begin) % (8 * step) === 0 ? [null, 0, 0x5a] : [null]) {
        const what = `cut at ${cut} of ${length}, filled with ${filler}`;
        const rest = filler === null ? [] : [Buffer.alloc(length - cut, filler)];
        writeFileSync(join(scratch, name), Buffer.concat([content.subarray(0, cut), ...rest]));
        const { found, findings } = await agreed(scratch, what);
        const { last, tail } = found.files.at(-1)!;
        const kind = tail?.kind ?? "whole";
        seen.add(kind);
        if (kind === "whole") assert.ok(from.ends.includes(last), what);
        if (filler === null) assert.notEqual(kind, "damaged", what);
        if (filler === 0x5a) assert.equal(kind, "damaged", what);
        // Where no more is missing than a whole block may have zeros at its end, it may have been acked.
        if (filler === 0 && kind === "damaged") assert.ok(isNearEnd(content, cut), what);
        const level = findings.filter(({ code }) => code !== "journal_not_closed").map((finding) => finding.level);
        const expected = { whole: [], zeros: [], copied: [], unfinished: ["repair"], damaged: ["loss"] };
        assert.deepEqual(level, expected[kind], what);
      }
    }
    return seen;
  }

  /** Whether a block ends within 64 bytes behind `cut`. */
  function isNearEnd(content: Buffer, cut: number): boolean {
    return [...blocksOf(content), content.length].some((end) => end >= cut && end - cut < 64);
  }

  it("of a bit flipped anywhere: in a closed journal it is never passed over, and where it lies is said", {
    timeout: 120_000,
  }, async () => {
    const names = files(closed.directory);
    const said = new Set<string>();
    for (const name of names) {
      const content = readFileSync(join(closed.directory, name));
      const scratch = copyOf(closed);
      for (let at = 0; at < content.length; at += at < 200 ? 13 : 131) {
        const flipped = Buffer.from(content);
        flipped[at] = flipped[at]! ^ (1 << (at % 8));
        writeFileSync(join(scratch, name), flipped);
        const { findings } = await agreed(scratch, `bit ${at % 8} of byte ${at} of ${name}`);
        const isMark = name === names.at(-1) && at >= content.length - 40;
        assert.equal(verdictOf(findings), isMark ? "damaged" : "refused");
        for (const code of codes(findings)) said.add(code);
        const fault = findings.find(({ code }) => code === "journal_damaged");
        if (!isMark) assert.ok(fault?.file?.endsWith(name) && /at byte \d+/.test(fault.text), fault?.text);
      }
    }
    assert.deepEqual([...said].sort(), ["note journal_not_closed", "refusal journal_damaged", "repair journal_torn"]);
  });

  it("of a bit flipped in the last block of a killed one: something acked may be lost", async () => {
    const name = files(killed.directory).at(-1)!;
    const content = readFileSync(join(killed.directory, name));
    const scratch = copyOf(killed);
    content[content.length - 700]! ^= 4;
    writeFileSync(join(scratch, name), content);
    const { findings, end } = await agreed(scratch, "flipped");
    assert.equal(end, killed.ends[10]);
    assert.ok(codes(findings).includes("loss journal_tail_damaged"), JSON.stringify(findings));
  });

  it("of files removed, swapped and emptied", async () => {
    for (const name of readdirSync(closed.directory)) {
      const scratch = copyOf(closed);
      rmSync(join(scratch, name));
      await agreed(scratch, `${name} removed`);
      const emptied = copyOf(closed);
      truncateSync(join(emptied, name));
      await agreed(emptied, `${name} emptied`);
    }
    const names = files(closed.directory);
    for (const [a, b] of [
      [names[0]!, names[1]!],
      [names[1]!, names.at(-1)!],
    ]) {
      const scratch = copyOf(closed);
      renameSync(join(scratch, a!), join(scratch, "aside"));
      renameSync(join(scratch, b!), join(scratch, a!));
      renameSync(join(scratch, "aside"), join(scratch, b!));
      const { findings } = await agreed(scratch, `${a} and ${b} swapped`);
      assert.equal(verdictOf(findings), "refused");
    }
    const none = copyOf(closed);
    for (const name of names) rmSync(join(none, name));
    assert.deepEqual(codes((await agreed(none, "no journal")).findings), ["refusal journal_gap"]);
  });

  it("of damaged snapshots: the older one, or none", async () => {
    const [older, newer] = files(closed.directory, SNAPSHOT);
    const size = readFileSync(join(closed.directory, newer!)).length;
    for (let at = 0; at < size; at += 211) {
      const scratch = copyOf(closed);
      const content = readFileSync(join(scratch, newer!));
      content[at]! ^= 1;
      writeFileSync(join(scratch, newer!), content);
      const { found, findings } = await agreed(scratch, `byte ${at} of ${newer}`);
      assert.equal(verdictOf(findings), "damaged", `byte ${at}`);
      assert.deepEqual(codes(findings), ["repair snapshot_damaged"]);
      assert.equal(found.positions?.snapshot, closed.ends[3]);
    }
    const both = copyOf(closed);
    for (const name of [older!, newer!]) truncateSync(join(both, name), 50);
    assert.ok(codes((await agreed(both, "both")).findings).includes("refusal snapshot_damaged"));
    const gone = copyOf(closed);
    for (const name of [older!, newer!]) rmSync(join(gone, name));
    assert.deepEqual(codes((await agreed(gone, "none, and the journal begins at 0")).findings), []);
    rmSync(join(gone, files(gone)[0]!));
    assert.deepEqual(codes((await agreed(gone, "none, and it does not")).findings), ["refusal journal_gap"]);
  });

  it("of another version of a journal file or a snapshot, and of another shard's", async () => {
    const newer = copyOf(closed);
    const file = files(newer)[1]!;
    rewriteVersion(join(newer, file), 60);
    const { found, findings } = await agreed(newer, "a newer journal");
    assert.ok(codes(findings).includes("refusal journal_version"));
    assert.equal(found.files[1]?.version, 9);
    assert.match(findings.find(({ code }) => code === "journal_version")!.text, /format version 9; this program reads version 2/);

    const snapshot = copyOf(closed);
    rewriteVersion(join(snapshot, files(snapshot, SNAPSHOT)[1]!), 36);
    assert.ok(codes((await agreed(snapshot, "a newer snapshot")).findings).includes("refusal snapshot_version"));
    const older = copyOf(closed);
    rewriteVersion(join(older, files(older, SNAPSHOT)[0]!), 36);
    assert.equal(verdictOf((await agreed(older, "an older snapshot of a newer version")).findings), "damaged");

    const foreign = await examineShard({ ...taskFor(closed.directory), shards: 2 });
    assert.equal(foreign.trial?.refusal?.code, "journal_foreign");
  });

  it("of what a crash leaves beside the journal", async () => {
    const scratch = copyOf(closed);
    for (const name of ["journal.tmp", "journal.spare", "snapshot.tmp", "notes.txt", "store.json"])
      writeFileSync(join(scratch, name), "left");
    const { found, findings } = await agreed(scratch, "left over");
    assert.deepEqual(found.leftOver.map(({ name }) => name).sort(), ["journal.spare", "journal.tmp", "snapshot.tmp"]);
    assert.deepEqual(codes(findings), ["note unknown_file"]);
    assert.deepEqual([found.remembersStore, (await examineShard(taskFor(closed.directory))).remembersStore], [true, false]);
    const reserved = copyOf(closed);
    const last = join(reserved, files(reserved).at(-1)!);
    writeFileSync(last, Buffer.concat([readFileSync(last), Buffer.alloc(70_000)]));
    const zeros = await agreed(reserved, "zeros behind the end");
    assert.deepEqual([zeros.findings, zeros.found.files.at(-1)?.tail], [[], { bytes: 70_000, kind: "zeros" }]);
  });

  it("of late readings that wait and alerts that are not told", async () => {
    const directory = freshPath();
    const plans = [{ ...acme, rules: [HIGH] }];
    const shard = await openAt(directory, small, plans);
    for (const seq of [1, 2, 3, 4, 5]) await give(shard, seq, 3);
    // Before all that is there.
    await give(shard, 0, 4);
    await shard.journal.close();
    const { found, findings } = await agreed(directory, "late and firing", plans);
    assert.deepEqual([findings, found.trial?.late, found.positions?.untold], [[], 4, 1]);
  });

  it("sees recomputed rows that differ from the journaled ones, which only a start on it can tell", async () => {
    const scratch = copyOf(closed);
    const name = files(scratch)[0]!;
    const content = readFileSync(join(scratch, name));
    changeDelta(content);
    for (const snapshot of files(scratch, SNAPSHOT)) rmSync(join(scratch, snapshot));
    writeFileSync(join(scratch, name), content);
    const { findings } = await agreed(scratch, "another delta, checksum and all");
    assert.deepEqual(codes(findings), ["refusal journal_differs"]);
  });
});

/** Where the blocks of a file begin. */
function blocksOf(content: Buffer): number[] {
  const starts: number[] = [];
  for (let at = 64; at < content.length; at += 40 + content.readUInt32LE(at + 12)) starts.push(at);
  return starts;
}

const HIGH: Rule = {
  ...{ id: "high", meters: "*", on: "value", op: ">", threshold: 450, clear: null, forMs: 0, keepFiringMs: 0 },
  ...{ schedule: null, severity: "warning", levels: [], flag: null },
};

function rewriteVersion(path: string, crcAt: number): void {
  const content = readFileSync(path);
  content.writeUInt32LE(9, 8);
  content.writeUInt32LE(crc32(content.subarray(0, crcAt)), crcAt);
  writeFileSync(path, content);
}

/** Of the second reading of the second block, which then is a whole block again. */
function changeDelta(content: Buffer): void {
  const block = blocksOf(content)[1]!;
  const payloadBytes = content.readUInt32LE(block + 12);
  const reading = block + 40 + 40 + 40;
  content.writeDoubleLE(12_345, reading + 24);
  content.writeUInt32LE(crc32(content.subarray(block + 4, block + 40 + payloadBytes)), block);
}
