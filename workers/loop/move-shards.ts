import { EntryWriter } from "../../engine/base/entries.js";
import { MeterstormError } from "../../engine/base/errors.js";
import type { Place } from "../../engine/base/home.js";
import { limits } from "../../engine/base/limits.js";
import { Journal } from "../journal/journal.js";
import { loadSnapshot, writeSnapshot } from "../journal/snapshot.js";
import { MeterBook } from "../state/book.js";
import { Directory } from "../state/directory.js";
import { Applier } from "./applier.js";
import { drainShard, type MovePorts, type MoveTerms, shardName } from "./move-drain.js";
import { beginMoved, MovedRows } from "./move-rows.js";
import { moveState } from "./move-state.js";
import { FILES_IN_BUDGET } from "./open-shard.js";
import { restoreSections, snapshotSections } from "./snapshot-sections.js";

/** What is kept of the rows that the store has, of the budget of those who get them: less than what makes a shard let go of them at once. */
const KEPT_SHARE = 3 / 8;

/**
 * Moves the state of all shards into other ones. The old shards come to rest one after the other; then each of the new ones is put
 * together from those that have something for it, and written with what their journals keep of rows to be sent again.
 *
 *     old 0 ─ rest ┐                 ┌ old 0 ─┐                       ┌ old 0 ─┐
 *     old 1 ─ rest ┘ all are stored: └ old 1 ─┴▶ new 0: journal, snapshot │ …  └ old 1 ─┴▶ new n: journal, snapshot │ switch by the caller
 *
 * One old state and one new one are in memory at a time. Nothing is changed in the old directories but what any start and end of
 * an engine changes there, and the new ones count only once the caller says so: until then it begins anew after a crash.
 * @throws MeterstormError as `drainShard` does
 */
export async function moveShards(from: Place, to: Place, terms: MoveTerms, ports: MovePorts): Promise<void> {
  for (const directory of to.directories) await removeFiles(ports, directory);
  const journals: Journal[] = [];
  for (let index = 0; index < from.shards; index++) journals.push(await drainShard(from, to, index, terms, ports));
  for (let home = 0; home < to.shards; home++) {
    ports.progress(`shard ${home} of ${to.shards} is written`);
    await writeShard(from, to, home, journals, terms, ports);
  }
  for (const journal of journals) await journal.close();
}

/** Removes all files of a directory; what a layout that counts no more, or never did, has left. */
export async function removeFiles({ disk }: Pick<MovePorts, "disk">, directory: string): Promise<void> {
  const names = await disk.list(directory);
  for (const name of names) await disk.remove(`${directory}/${name}`);
  if (names.length > 0) await disk.syncDirectory(directory);
}

async function writeShard(
  from: Place,
  to: Place,
  home: number,
  journals: readonly Journal[],
  terms: MoveTerms,
  ports: MovePorts,
): Promise<void> {
  const { disk } = ports;
  const directory = to.directories[home]!;
  const target = emptyApplier(terms);
  let failure: Error | null = null;
  const journal = await Journal.open({
    ...{ disk, clock: ports.clock, directory, shard: shardName(home, to.shards) },
    // As the shard will have them.
    segmentBytes: Math.min(limits.journalSegmentBytes, Math.ceil(terms.journalMaxBytes / to.shards / FILES_IN_BUDGET)),
    ...(terms.sizes === undefined ? {} : journalSizes(terms.sizes)),
    reserve: false,
    onDurable: () => undefined,
    onFailed: (error) => {
      failure = error;
    },
  });
  target.out.reset();
  beginMoved(target.out, ports.clock.nowMs());
  journal.append(target.out.bytes());
  const most = (KEPT_SHARE * terms.journalMaxBytes) / to.shards / from.shards;
  for (let index = 0; index < from.shards; index++) {
    const source = await restored(terms, ports, from.directories[index]!, journals[index]!.durable);
    const rows = new MovedRows(target.directory, moveState(source, target, to, home));
    await carryRows(journals[index]!, journal, rows, most);
  }
  const position = journal.appended;
  await journal.committed(position);
  target.told.from = position;
  target.told.position = position;
  await writeSnapshot(disk, directory, position, snapshotSections(target, position, position));
  await journal.close();
  if (failure !== null) throw failure as Error;
}

/** The newest rows of a journal, as far as they are kept and no more than so many bytes, so that the store can get them once more. */
async function carryRows(source: Journal, target: Journal, rows: MovedRows, most: number): Promise<void> {
  let at = source.first;
  const end = source.durable;
  for await (const units of source.replay(at)) {
    at += units.length;
    if (at <= end - most) continue;
    target.append(rows.of(units));
    if (target.appended - target.durable < limits.maxVolatileBytes) continue;
    await target.committed(target.appended);
    target.released(target.durable);
  }
}

/** A shard's state as the snapshot has it that was written when it came to rest; one that nobody ever sent anything to has none to write. */
async function restored(terms: MoveTerms, { disk }: MovePorts, directory: string, position: number): Promise<Applier> {
  const snapshot = await loadSnapshot(disk, directory);
  const applier = emptyApplier(terms);
  if (snapshot === null && position === 0) return applier;
  if (snapshot?.position !== position) {
    const message = `the state of the shard in ${directory}, which was written just now, cannot be read: ${snapshot?.warning ?? "it is not there"}`;
    throw new MeterstormError("snapshot_damaged", message);
  }
  restoreSections(applier, snapshot.sections);
  return applier;
}

function emptyApplier({ sizes }: MoveTerms): Applier {
  return new Applier([], new EntryWriter(), new Directory(), new MeterBook(sizes?.metersPerPage));
}

function journalSizes({ metersPerPage: _, ...sizes }: NonNullable<MoveTerms["sizes"]>) {
  return sizes;
}
