import { NONE } from "../../engine/base/entries.js";
import { MeterstormError } from "../../engine/base/errors.js";
import { homeOf, homesOf, type Layout, spreadIn } from "../../engine/base/home.js";
import { AlertState } from "../kernels/alert.js";
import type { DataloggerState } from "../state/datalogger-state.js";
import type { Applier } from "./applier.js";
import { moveAlerts } from "./move-alerts.js";

/** By a shard's numbers those in the shard to which it was moved; −1: it lives elsewhere. */
export interface Renumbered {
  readonly tenants: Int32Array;
  readonly dataloggers: Int32Array;
  readonly meters: Int32Array;
  /** The ids of the rules by their numbers, which are given anew where they are needed. */
  readonly rules: readonly string[];
}

/**
 * Whether every meter of a shard has a place in another layout.
 * @throws MeterstormError `shards_changed`: a client is to be spread, and of a meter with rows nobody knows whose it is
 */
export function assertMovable(applier: Applier, to: Layout): void {
  const { directory, book } = applier;
  if (directory.unowned === 0) return;
  for (let meter = 0; meter < directory.meterCount; meter++) {
    const tenant = directory.tenantOfMeter(meter);
    if (directory.meterOwner(meter) !== NONE || spreadIn(to, tenant) === 1 || Number.isNaN(book.firstTs(meter))) continue;
    const message = `the client "${tenant}" cannot be spread over ${spreadIn(to, tenant)} shards now: its meter "${directory.meter(meter)}" was written by a version that did not remember which datalogger sends it. Start with its old "shards" once more, until that datalogger has sent the meter again, and change them then`;
    throw new MeterstormError("shards_changed", message);
  }
}

/**
 * Copies into `target` what of `source` lives in the shard `home` of a layout: dataloggers with what they have sent, meters with
 * settings, owners, records and sums, alerts with what they have come to. Names get numbers of the target's own. The source
 * has no late inputs, and nothing of it changes.
 */
export function moveState(source: Applier, target: Applier, to: Layout, home: number): Renumbered {
  const { directory } = source;
  const moved: Renumbered = {
    tenants: new Int32Array(directory.tenantCount).fill(-1),
    dataloggers: new Int32Array(directory.dataloggers.length).fill(-1),
    meters: new Int32Array(directory.meterCount).fill(-1),
    rules: directory.rules,
  };
  for (let tenant = 0; tenant < directory.tenantCount; tenant++) {
    const id = directory.tenant(tenant);
    if (homesOf(id, spreadIn(to, id), to.shards).includes(home)) moveClient(source, target, tenant, moved, to, home);
  }
  moveAlerts(source, target, moved);
  // What naming writes for a journal; the target's names are in its snapshot.
  target.out.reset();
  return moved;
}

/** A client may come in parts from several shards. */
function moveClient(source: Applier, target: Applier, tenant: number, moved: Renumbered, to: Layout, home: number): void {
  const { directory } = source;
  const id = directory.tenant(tenant);
  const spread = spreadIn(to, id);
  const number = addTenant(source, target, tenant);
  moved.tenants[tenant] = number;
  for (const [datalogger, was] of directory.dataloggersOf(tenant)) {
    if (homeOf(id, datalogger, spread, to.shards) !== home) continue;
    moved.dataloggers[was] = addDatalogger(target, number, directory.dataloggerState(was));
  }
  const isFirst = homesOf(id, spread, to.shards)[0] === home;
  for (const [meterId, meter] of directory.metersOf(tenant)) {
    const owner = directory.meterOwner(meter);
    // One that nobody has sent is missed in no certain shard of a client that is spread: only what is missed already stays so.
    const goes = owner === NONE ? isFirst && (spread === 1 || isMissed(source, meter)) : moved.dataloggers[owner] !== -1;
    if (goes) moved.meters[meter] = addMeter(source, target, { meter, id: meterId, tenant: number, moved });
  }
}

/** Whether an incident of it is open. */
function isMissed({ alerts }: Applier, meter: number): boolean {
  return alerts.states(meter).some(({ state }) => state !== AlertState.PENDING);
}

function addTenant({ directory, alerts }: Applier, target: Applier, tenant: number): number {
  const id = directory.tenant(tenant);
  const known = target.directory.tenantNumber(id);
  if (known >= 0) return known;
  const number = target.directory.tenantCount;
  target.directory.addTenant(number, id);
  target.alerts.setRules(number, id, alerts.rulesOf(tenant));
  return number;
}

function addDatalogger({ directory }: Applier, tenant: number, from: DataloggerState): number {
  const number = directory.dataloggers.length;
  directory.addDatalogger(number, tenant, from.id);
  const state = directory.dataloggerState(number);
  state.seqs.set(from.seqs);
  state.hashes.set(from.hashes);
  state.frames = from.frames;
  state.lastSeq = from.lastSeq;
  state.safeSeq = from.lastSeq;
  return number;
}

interface MovedMeter {
  meter: number;
  id: string;
  /** The target's number of its client. */
  tenant: number;
  moved: Renumbered;
}

function addMeter(source: Applier, target: Applier, { meter, id, tenant, moved }: MovedMeter): number {
  const owner = source.directory.meterOwner(meter);
  const newOwner = owner === NONE ? NONE : moved.dataloggers[owner]!;
  let number = target.directory.meterNumber(tenant, id);
  if (number >= 0) {
    // Missed in one shard while it was nobody's, then sent by way of another one: what was sent counts.
    if (owner === NONE) return -1;
    target.directory.own(number, newOwner);
  } else {
    number = target.directory.meterCount;
    const settings = target.settingsNumber(source.settings[source.directory.meterSettings(meter)]!);
    target.openMeter(number, tenant, id, newOwner, settings);
  }
  const first = source.book.firstTs(meter);
  if (Number.isNaN(first)) return number;
  target.book.draw(number, source.book.image(meter));
  target.book.beginsAt(number, first);
  return number;
}
