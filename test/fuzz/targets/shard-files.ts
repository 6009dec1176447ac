import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { UnitType } from "../../../engine/base/entries.js";
import { InvariantError } from "../../../engine/base/errors.js";
import { BLOCK_HEADER_BYTES, BLOCK_MAGIC } from "../../../workers/journal/block.js";
import type { OpenShard } from "../../../workers/loop/open-shard.js";
import { snapshotSections } from "../../../workers/loop/snapshot-sections.js";
import { rememberFrame } from "../../../workers/state/directory.js";
import { SimDisk } from "../../support/sim-disk.js";
import { mutateBytes } from "../mutate.js";
import { FIRST_TS } from "../seed-frames.js";
import { openSimShard } from "../sim-shard.js";
import { orRefusalLater, type Target } from "../target.js";

/** Several files, and blocks smaller than the largest unit. */
const SMALL = { blockBytes: 1024, segmentBytes: 2048, metersPerPage: 4 };
/** In the first byte of an input: the checksums of blocks are made right again behind the damage. */
const FORGED = 0x80;

interface Made {
  files: Map<string, Uint8Array>;
  /** What the shard knows after each whole unit, by the position behind it. */
  states: Map<number, string>;
}

function stateOf({ applier }: OpenShard): string {
  const hash = createHash("sha256");
  for (const { name, parts } of snapshotSections(applier, 0, 0)) {
    // What of it was told or stored lies with the time at which it was cut.
    if (name === "stored") continue;
    hash.update(name);
    for (const part of parts) hash.update(part);
  }
  return hash.digest("hex");
}

async function give({ applier, journal }: OpenShard, seq: number, readings: number): Promise<number> {
  const { out } = applier;
  out.reset();
  const datalogger = applier.dataloggerNumber("neighbour", "d1");
  applier.datalogger = datalogger;
  applier.arrivalMs = FIRST_TS + seq * 6_000_000;
  out.beginUnit(UnitType.FRAME, applier.arrivalMs, datalogger, seq, seq, ~seq >>> 0);
  applier.nameDatalogger("neighbour", "d1");
  for (let i = 0; i < readings; i++) {
    const meter = applier.meter(0, `m${i % 3}`, datalogger, false);
    applier.reading(meter, FIRST_TS + (seq * 100 + i) * 60_000, seq * 100 + i, 0, applier.arrivalMs);
  }
  out.endUnit(readings);
  rememberFrame(applier.directory.dataloggerState(datalogger), seq, seq, ~seq >>> 0);
  const end = journal.append(out.bytes());
  await journal.committed(end);
  return end;
}

async function make(): Promise<Made> {
  const disk = new SimDisk();
  const { shard } = await openSimShard(disk, SMALL);
  const states = new Map([[shard.journal.appended, stateOf(shard)]]);
  for (let seq = 1; seq <= 10; seq++) {
    states.set(await give(shard, seq, seq === 10 ? 40 : 5), stateOf(shard));
    if (seq === 4 || seq === 8) await shard.snapshots.write(0);
  }
  const files = new Map(disk.paths().map((path) => [path, disk.bytes(path)]));
  return { files, states };
}

/** Right checksums for whatever blocks can still be made out, wherever they begin. */
function forge(file: Uint8Array): void {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  for (let at = 0; at + BLOCK_HEADER_BYTES <= file.length; at += 8) {
    if (view.getUint32(at + 4, true) !== BLOCK_MAGIC) continue;
    const end = at + BLOCK_HEADER_BYTES + view.getUint32(at + 12, true);
    if (end <= file.length) view.setUint32(at, crc32(file.subarray(at + 4, end)), true);
  }
}

/** An input is the number of one of the files, and what stands in it instead of what was written. */
export async function open(): Promise<Target> {
  const { files, states } = await make();
  const names = [...files.keys()];
  assert.ok(names.filter((name) => name.includes("journal-")).length > 2 && states.size > 10, names.join());
  const seeds = names.map((name, i) => new Uint8Array(Buffer.concat([Buffer.of(i), files.get(name)!])));

  const run = async (input: Uint8Array): Promise<void> => {
    const [first = 0] = input;
    const isForged = (first & FORGED) !== 0;
    const name = names[(first & ~FORGED) % names.length]!;
    const content = input.slice(1);
    if (isForged) forge(content);
    const disk = new SimDisk();
    for (const [path, bytes] of files) disk.put(path, path === name ? content : bytes);
    let failure: unknown = null;
    try {
      const opened = await orRefusalLater(() => openSimShard(disk, SMALL));
      if (opened instanceof Error) return;
      const { shard } = opened;
      const end = shard.journal.durable;
      const state = stateOf(shard);
      await shard.journal.close();
      if (!isForged) assert.equal(state, states.get(end), `${name}: at ${end} the shard is not what it was`);
    } catch (error) {
      failure = error;
    }
    // Somebody who writes right checksums under wrong units is told of a broken assumption at worst.
    if (failure !== null && !(isForged && failure instanceof InvariantError)) throw failure;
  };

  return {
    ...{ name: "shard-files", seeds, run },
    mutate: (random, all) => {
      const seed = random.pick(all);
      const other = all.filter(({ length }) => length > 1).map((bytes) => bytes.subarray(1));
      const content = mutateBytes(random, [seed.subarray(1), seed.subarray(1), random.pick(other)]);
      const isForged = random.chance(0.3) ? FORGED : 0;
      return new Uint8Array(Buffer.concat([Buffer.of((seed[0] ?? 0) | isForged), content]));
    },
  };
}
