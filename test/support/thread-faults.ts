import { existsSync, promises as fs, readFileSync, rmSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { isMainThread } from "node:worker_threads";

/**
 * Loaded into every thread of an engine (`NODE_OPTIONS=--import …`): does to a shard's thread what a file with the shard's number asks for.
 * Whatever is read as JSON and holds the word "deadly" ends the thread that reads it. A thread knows its number by the files that it opens. The file `fault-<shard>` holds one of the words below, and is taken once.
 */
const folder = process.env["FAULTS_IN"];
const LOOK_EVERY_MS = 20;

let shard: string | null = null;
let failing: "sync" | "write" | null = null;

function strike(fault: string): void {
  switch (fault) {
    case "throw":
      throw new Error("thrown on purpose");
    case "exit":
      process.exit(3);
      return;
    case "hang":
      for (;;);
    case "memory": {
      const held: number[][] = [];
      for (;;) held.push(new Array<number>(1_000_000).fill(1));
    }
    case "sync":
    case "write":
      failing = fault;
      return;
    default:
      throw new Error(`nobody knows the fault ${fault}`);
  }
}

function fail(name: "sync" | "write", code: string): void {
  if (failing !== name) return;
  failing = null;
  throw Object.assign(new Error(`${code}: on purpose, ${name}`), { code });
}

if (!isMainThread && folder !== undefined) {
  const { open } = fs;
  fs.open = async (path, ...rest) => {
    shard = /shard-(\d+)/.exec(String(path))?.[1] ?? shard;
    const handle = await open(path, ...rest);
    // A file made ready beforehand may fail: it costs speed alone.
    return /spare/.test(String(path)) ? handle : faulty(handle);
  };
  syncBuiltinESMExports();
  const { parse } = JSON;
  JSON.parse = (text, reviver) => {
    if (text.includes("deadly")) process.exit(4);
    return parse(text, reviver) as unknown;
  };
  setInterval(() => {
    const file = `${folder}/fault-${shard}`;
    if (shard === null || !existsSync(file)) return;
    const fault = readFileSync(file, "utf8");
    rmSync(file);
    strike(fault);
  }, LOOK_EVERY_MS).unref();
}

/** A file of a journal; what is asked for fails once, as a disk may. */
function faulty(handle: FileHandle): FileHandle {
  const { datasync, writev } = handle;
  handle.datasync = async () => {
    fail("sync", "EIO");
    return datasync.call(handle);
  };
  handle.writev = (async (...given: Parameters<typeof writev>) => {
    fail("write", "ENOSPC");
    return writev.apply(handle, given);
  }) as typeof writev;
  return handle;
}
