import type { Disk, DiskFile } from "../../engine/base/disk.js";
import { Random } from "./random.js";
import type { Inode } from "./sim-file.js";
import { afterCrash, cut, durableFile, visible, writeTo } from "./sim-file.js";

/**
 * A disk that forgets as real ones do. What is written is seen at once, as from the system's cache, but is only
 * safe after a sync; names are only safe after a sync of their directory.
 *
 *            append            sync                crash
 *   nothing ───────▶ pending ───────▶ durable      pending: each write kept, lost or torn, in any combination
 *                       └─ failed sync ─▶ orphan   orphan:  seen until the crash, then there or not, whatever later syncs said
 *
 * Every operation takes effect a few turns of the event loop after its call, as seeded, and a killed or crashed
 * disk takes no further operation: its callers wait for ever, as a dead process would.
 */
interface NameChange {
  directory: string;
  /** Takes this name away … */
  remove: string | null;
  /** … and puts the file under that one. */
  add: string | null;
  inode: Inode;
}

/** Where an opened file is written next; one that was created is always written at its end. */
interface Place {
  offset: number;
}

export type Fault = "append" | "sync" | "create" | "open" | "rename" | "truncate" | "syncDirectory";

export interface SimDiskOptions {
  seed?: number;
  /** What fits; an append beyond it writes what still fits and fails with ENOSPC. */
  capacityBytes?: number;
  /** Probability with which an append or a sync fails with EIO. */
  faultRate?: number;
  /** Greatest number of turns that an operation takes; 0 by default. */
  maxTurns?: number;
}

export class SimDisk implements Disk {
  readonly #random: Random;
  readonly #options: SimDiskOptions;
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  #changes: NameChange[] = [];
  #faults: { at: Fault; after: number; code: string }[] = [];
  #dead = false;
  capacityBytes: number;
  faultRate: number;
  /** Calls that took effect, for tests that count. */
  readonly calls: Record<Fault, number> = {
    append: 0,
    sync: 0,
    create: 0,
    open: 0,
    rename: 0,
    truncate: 0,
    syncDirectory: 0,
  };

  /** Operations that were called and have not taken effect yet, and files that nobody has closed. */
  underWay = 0;
  openFiles = 0;

  constructor(options: SimDiskOptions = {}) {
    this.#options = options;
    this.#random = new Random(options.seed ?? 1);
    this.capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY;
    this.faultRate = options.faultRate ?? 0;
  }

  /** The `after`-th call from now on (0: the next) fails with `code`. */
  failNext(at: Fault, after = 0, code = "EIO"): void {
    this.#faults.push({ at, after, code });
  }

  /** Forgets the faults that are still to come. */
  heal(): void {
    this.#faults = [];
    this.faultRate = 0;
    this.capacityBytes = Number.POSITIVE_INFINITY;
  }

  /** What the machine finds after a power cut. This disk is dead from then on. */
  crash(): SimDisk {
    const next = this.#successor();
    const inodes = new Map<Inode, Inode>();
    const names = new Map(this.#durableNames);
    for (const change of this.#changes) {
      if (this.#random.chance(0.5)) apply(names, change);
    }
    for (const [path, inode] of names) {
      const found = inodes.get(inode) ?? afterCrash(inode, this.#random);
      inodes.set(inode, found);
      next.#names.set(path, found);
      next.#durableNames.set(path, found);
    }
    return next;
  }

  /** What the next process finds when only the process was killed: the cache is still there, unsynced as it was. */
  kill(): SimDisk {
    const next = this.#successor();
    next.#names = this.#names;
    next.#durableNames = this.#durableNames;
    next.#changes = this.#changes;
    return next;
  }

  #successor(): SimDisk {
    this.#dead = true;
    const next = new SimDisk({ ...this.#options, seed: this.#random.u32() });
    next.capacityBytes = this.capacityBytes;
    next.faultRate = this.faultRate;
    return next;
  }

  /** The bytes of a file as they are read now. */
  bytes(path: string): Uint8Array {
    return visible(this.#existing(path)).slice();
  }

  /** Flips one bit, on the disk and in the cache. */
  flip(path: string, offset: number, bit: number): void {
    const inode = this.#existing(path);
    inode.content[offset]! ^= 1 << bit;
    for (const write of inode.writes) {
      const at = offset - write.offset;
      if (at >= 0 && at < write.bytes.length) write.bytes[at]! ^= 1 << bit;
    }
  }

  /** Puts a file there, durable at once. */
  put(path: string, bytes: Uint8Array): void {
    const inode = durableFile(bytes);
    this.#names.set(path, inode);
    this.#durableNames.set(path, inode);
  }

  /** All paths, sorted. */
  paths(): string[] {
    return [...this.#names.keys()].sort();
  }

  usedBytes(): number {
    let used = 0;
    for (const inode of new Set(this.#names.values())) used += inode.length;
    return used;
  }

  makeDirectory(): Promise<void> {
    return this.#turn();
  }

  async list(path: string): Promise<string[]> {
    await this.#turn();
    const prefix = `${path}/`;
    return [...this.#names.keys()]
      .filter((name) => name.startsWith(prefix))
      .map((name) => name.slice(prefix.length))
      .filter((name) => !name.includes("/"))
      .sort();
  }

  async read(path: string): Promise<Uint8Array | null> {
    await this.#turn();
    const inode = this.#names.get(path);
    return inode === undefined ? null : visible(inode).slice();
  }

  async readAt(path: string, offset: number, length: number): Promise<Uint8Array> {
    await this.#turn();
    return visible(this.#existing(path)).slice(offset, offset + length);
  }

  async create(path: string): Promise<DiskFile> {
    await this.#turn();
    this.#maybeFail("create");
    if (this.#names.has(path)) throw failure("EEXIST", `file already exists, open '${path}'`);
    const inode = durableFile(new Uint8Array(0));
    this.#change({ directory: parent(path), remove: null, add: path, inode });
    return this.#file(inode, null);
  }

  async open(path: string): Promise<DiskFile> {
    await this.#turn();
    this.#maybeFail("open");
    return this.#file(this.#existing(path), { offset: 0 });
  }

  #file(inode: Inode, place: Place | null): DiskFile {
    this.openFiles++;
    return {
      append: (pieces) => this.#write(inode, place, pieces),
      sync: () => this.#sync(inode),
      close: async () => {
        await this.#turn();
        this.openFiles--;
      },
    };
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#turn();
    this.#maybeFail("rename");
    this.#change({ directory: parent(from), remove: from, add: to, inode: this.#existing(from) });
  }

  async remove(path: string): Promise<void> {
    await this.#turn();
    this.#change({ directory: parent(path), remove: path, add: null, inode: this.#existing(path) });
  }

  async truncate(path: string, length: number): Promise<void> {
    await this.#turn();
    this.#maybeFail("truncate");
    const inode = this.#existing(path);
    cut(inode, length);
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#turn();
    this.#maybeFail("syncDirectory");
    for (const change of this.#changes) if (change.directory === path) apply(this.#durableNames, change);
    this.#changes = this.#changes.filter((change) => change.directory !== path);
  }

  #change(change: NameChange): void {
    apply(this.#names, change);
    this.#changes.push(change);
  }

  async #write(inode: Inode, place: Place | null, pieces: readonly Uint8Array[]): Promise<void> {
    await this.#turn();
    const offset = place?.offset ?? inode.length;
    const bytes = new Uint8Array(Buffer.concat(pieces));
    const fault = this.#faultAt("append");
    // Only beyond its end a file takes room.
    const room = Math.max(0, this.capacityBytes - this.usedBytes()) + Math.max(0, inode.length - offset);
    const fits = fault === null ? Math.min(bytes.length, room) : this.#random.int(bytes.length + 1);
    writeTo(inode, offset, bytes.subarray(0, fits));
    if (place !== null) place.offset += fits;
    if (fault !== null) throw failure(fault, "injected while appending");
    if (fits < bytes.length) throw failure("ENOSPC", "no space left on device, write");
  }

  async #sync(inode: Inode): Promise<void> {
    await this.#turn();
    const fault = this.#faultAt("sync");
    for (const write of inode.writes) {
      if (write.state !== "pending") continue;
      if (fault === null) write.state = "durable";
      else write.state = this.#random.pick(["durable", "orphan", "lost"]);
    }
    if (fault !== null) throw failure(fault, "injected while syncing");
  }

  #faultAt(at: Fault): string | null {
    this.calls[at]++;
    for (const fault of this.#faults) {
      if (fault.at !== at || fault.after-- > 0) continue;
      this.#faults = this.#faults.filter((other) => other !== fault);
      return fault.code;
    }
    return this.faultRate > 0 && this.#random.chance(this.faultRate) ? "EIO" : null;
  }

  #maybeFail(at: Fault): void {
    const fault = this.#faultAt(at);
    if (fault !== null) throw failure(fault, `injected at ${at}`);
  }

  #existing(path: string): Inode {
    const inode = this.#names.get(path);
    if (inode === undefined) throw failure("ENOENT", `no such file, open '${path}'`);
    return inode;
  }

  /** Lets some turns pass; never returns on a dead disk. */
  async #turn(): Promise<void> {
    const turns = this.#random.int((this.#options.maxTurns ?? 0) + 1);
    this.underWay++;
    for (let i = 0; i <= turns; i++) await Promise.resolve();
    if (this.#dead) await new Promise<never>(() => {});
    this.underWay--;
  }
}

function apply(names: Map<string, Inode>, change: NameChange): void {
  if (change.remove !== null && names.get(change.remove) === change.inode) names.delete(change.remove);
  if (change.add !== null) names.set(change.add, change.inode);
}

function parent(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

function failure(code: string, message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}
