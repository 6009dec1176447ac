import { NONE } from "../../engine/base/entries.js";
import { invariant } from "../../engine/base/errors.js";
import { limits } from "../../engine/base/limits.js";
import type { Names } from "../../engine/store/interface.js";
import type { CutSink } from "./cut-records.js";
import type { DataloggerState } from "./datalogger-state.js";
import { DirectoryCut } from "./directory-cut.js";

interface TenantState {
  readonly id: string;
  readonly meters: Map<string, number>;
  readonly dataloggers: Map<string, number>;
}

/**
 * Numbers for names. Every tenant, datalogger, meter and rule that a shard has seen has a small number,
 * given in order of appearance and journaled before its first use; all state is kept by number.
 */
export class Directory implements Names {
  readonly #tenants: TenantState[] = [];
  readonly #tenantNumbers = new Map<string, number>();
  readonly #dataloggers: DataloggerState[] = [];
  readonly #meterIds: string[] = [];
  readonly #meterTenants: number[] = [];
  /** Datalogger that sent the meter first: it owns it where the client is spread over shards. */
  readonly #meterOwners: number[] = [];
  readonly #meterSettings: number[] = [];
  /** Meters that nobody has sent yet. */
  unowned = 0;
  readonly #rules: string[] = [];
  readonly #ruleNumbers = new Map<string, number>();
  /** Whatever changes something that was there before tells it first. */
  #cut: DirectoryCut | null = null;
  readonly #changing = (state: DataloggerState) => this.#cut?.save(state);

  get meterCount(): number {
    return this.#meterIds.length;
  }

  get tenantCount(): number {
    return this.#tenants.length;
  }

  get dataloggers(): readonly DataloggerState[] {
    return this.#dataloggers;
  }

  get rules(): readonly string[] {
    return this.#rules;
  }

  tenantNumber(id: string): number {
    return this.#tenantNumbers.get(id) ?? -1;
  }

  tenant(number: number): string {
    return this.#tenant(number).id;
  }

  addTenant(number: number, id: string): void {
    invariant(number === this.#tenants.length, `tenant ${id} was given ${number}, next is ${this.#tenants.length}`);
    this.#tenants.push({ id, meters: new Map(), dataloggers: new Map() });
    this.#tenantNumbers.set(id, number);
  }

  dataloggerNumber(tenant: number, id: string): number {
    return this.#tenant(tenant).dataloggers.get(id) ?? -1;
  }

  dataloggerCount(tenant: number): number {
    return this.#tenant(tenant).dataloggers.size;
  }

  addDatalogger(number: number, tenant: number, id: string): void {
    invariant(number === this.#dataloggers.length, `datalogger ${id} was given ${number}, next is ${this.#dataloggers.length}`);
    this.#tenant(tenant).dataloggers.set(id, number);
    const seqs = new Float64Array(limits.rememberedFrames);
    const hashes = new Uint32Array(2 * limits.rememberedFrames);
    this.#dataloggers.push({ number, tenant, id, changing: this.#changing, lastSeq: 0, safeSeq: 0, seqs, hashes, frames: 0 });
  }

  dataloggersOf(tenant: number): ReadonlyMap<string, number> {
    return this.#tenant(tenant).dataloggers;
  }

  dataloggerState(number: number): DataloggerState {
    const state = this.#dataloggers[number];
    invariant(state !== undefined, `no datalogger has number ${number}`);
    return state;
  }

  datalogger(number: number): { tenant: string; id: string } {
    const state = this.dataloggerState(number);
    return { tenant: this.tenant(state.tenant), id: state.id };
  }

  meterNumber(tenant: number, id: string): number {
    return this.#tenant(tenant).meters.get(id) ?? -1;
  }

  meterCountOf(tenant: number): number {
    return this.#tenant(tenant).meters.size;
  }

  metersOf(tenant: number): ReadonlyMap<string, number> {
    return this.#tenant(tenant).meters;
  }

  addMeter(number: number, tenant: number, id: string, owner: number, settings: number): void {
    invariant(number === this.#meterIds.length, `meter ${id} was given ${number}, next is ${this.#meterIds.length}`);
    this.#tenant(tenant).meters.set(id, number);
    this.#meterIds.push(id);
    this.#meterTenants.push(tenant);
    this.#meterOwners.push(owner);
    if (owner === NONE) this.unowned++;
    this.#meterSettings.push(settings);
  }

  meter(number: number): string {
    const id = this.#meterIds[number];
    invariant(id !== undefined, `no meter has number ${number}`);
    return id;
  }

  meterTenant(number: number): number {
    return this.#meterTenants[number]!;
  }

  meterOwner(number: number): number {
    return this.#meterOwners[number]!;
  }

  /** What it holds as it is now, copied bit by bit from here on; `endCut` ends it. There is one at a time. */
  beginCut(sink: CutSink): DirectoryCut {
    invariant(this.#cut === null, "one cut is taken at a time");
    this.#cut = new DirectoryCut(this, sink);
    return this.#cut;
  }

  endCut(): void {
    this.#cut = null;
  }

  /** A meter that nobody had sent before is the datalogger's; one that is somebody's stays so. */
  own(number: number, datalogger: number): void {
    if (this.#meterOwners[number] !== NONE || datalogger === NONE) return;
    this.#cut?.saveUnowned(number);
    this.#meterOwners[number] = datalogger;
    this.unowned--;
  }

  setMeterSettings(number: number, settings: number): void {
    this.#cut?.saveSettings(number, this.#meterSettings[number]!);
    this.#meterSettings[number] = settings;
  }

  meterSettings(number: number): number {
    return this.#meterSettings[number]!;
  }

  tenantOfMeter(number: number): string {
    return this.tenant(this.meterTenant(number));
  }

  ruleNumber(id: string): number {
    return this.#ruleNumbers.get(id) ?? -1;
  }

  addRule(number: number, id: string): void {
    invariant(number === this.#rules.length, `rule ${id} was given ${number}, next is ${this.#rules.length}`);
    this.#rules.push(id);
    this.#ruleNumbers.set(id, number);
  }

  rule(number: number): string {
    const id = this.#rules[number];
    invariant(id !== undefined, `no rule has number ${number}`);
    return id;
  }

  #tenant(number: number): TenantState {
    const tenant = this.#tenants[number];
    invariant(tenant !== undefined, `no tenant has number ${number}`);
    return tenant;
  }
}

/** Remembers that a frame with this seq and these hashes was computed. */
export function rememberFrame(state: DataloggerState, seq: number, hashA: number, hashB: number): void {
  state.changing(state);
  const slot = state.frames % limits.rememberedFrames;
  state.seqs[slot] = seq;
  state.hashes[slot * 2] = hashA;
  state.hashes[slot * 2 + 1] = hashB;
  state.frames++;
  state.lastSeq = seq;
}

/** Whether the frame is, byte for byte as far as the hashes tell, the one that was taken under its seq. */
export function isRemembered(state: DataloggerState, seq: number, hashA: number, hashB: number): boolean {
  const known = Math.min(state.frames, limits.rememberedFrames);
  for (let slot = 0; slot < known; slot++) {
    if (state.seqs[slot] === seq) return state.hashes[slot * 2] === hashA && state.hashes[slot * 2 + 1] === hashB;
  }
  return false;
}
