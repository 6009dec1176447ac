import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { temporaryDirectory } from "./servers.js";

const PIECE = Buffer.alloc(1 << 20, 1);

/** A file system in memory that can be filled up and emptied again. Only root may make one. */
export class SmallDisk {
  /** A directory on it. */
  readonly path: string;
  readonly #mounted: string;
  readonly #filler: string;
  #file: number | null = null;
  #isMounted = true;

  private constructor(mounted: string) {
    this.#mounted = mounted;
    this.path = join(mounted, "data");
    this.#filler = join(mounted, "filler");
    mkdirSync(this.path);
  }

  /** False when one can be made here, else why not. */
  static skip(): string | false {
    if (process.platform !== "linux" || process.getuid?.() !== 0) return "a small file system is mounted by root on Linux only";
    try {
      SmallDisk.mount(1).unmount();
      return false;
    } catch (error) {
      return String(error);
    }
  }

  static mount(mib: number): SmallDisk {
    const folder = temporaryDirectory("disk");
    const run = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${mib}m`, "tmpfs", folder], { encoding: "utf8" });
    if (run.status !== 0) throw new Error(`no small file system can be mounted here: ${run.stderr}`);
    const disk = new SmallDisk(folder);
    process.once("exit", () => disk.unmount());
    return disk;
  }

  /** Takes all the room that is left, to the last byte; again where some has come free since. */
  fill(): void {
    this.#file ??= openSync(this.#filler, "a");
    for (let bytes = PIECE.length; bytes >= 1; ) {
      try {
        if (writeSync(this.#file, PIECE, 0, bytes) < bytes) bytes = Math.floor(bytes / 2);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
        bytes = Math.floor(bytes / 2);
      }
    }
  }

  /** Gives it back. */
  empty(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
    rmSync(this.#filler, { force: true });
  }

  unmount(): void {
    if (!this.#isMounted) return;
    this.#isMounted = false;
    this.empty();
    spawnSync("umount", ["-l", this.#mounted]);
    rmSync(this.#mounted, { recursive: true, force: true });
  }
}
