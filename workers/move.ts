import { parentPort, workerData } from "node:worker_threads";
import { systemClock } from "../engine/base/clock.js";
import { invariant, MeterstormError, messageOf } from "../engine/base/errors.js";
import { nodeDisk } from "../engine/base/node-disk.js";
import type { MoveHears, MoveSays, MoveTask } from "../engine/shards/move-task.js";
import { moveShards } from "./loop/move-shards.js";
import { openSink } from "./sinks/open-sink.js";
import { storeMemory } from "./sinks/store-memory.js";

const SAY_EVERY_MS = 200;

/** The thread that moves the state of all shards into other ones; it ends with its last word. */
async function move(task: MoveTask): Promise<void> {
  const kept = new Map<number, () => void>();
  const ports = [...task.storePorts];
  let lastId = 0;
  let saidMs = Number.NEGATIVE_INFINITY;
  parentPort?.on("message", ({ kept: id }: MoveHears) => {
    kept.get(id)?.();
    kept.delete(id);
  });
  await moveShards(task.from, task.to, task, {
    clock: systemClock,
    disk: nodeDisk,
    openSink: (names, directory) => openSink(task.store, ports.shift() ?? null, directory, names),
    tell: (json) =>
      new Promise((resolve) => {
        kept.set(++lastId, resolve);
        say({ kind: "alert", id: lastId, json });
      }),
    progress(text) {
      const nowMs = systemClock.monotonicMs();
      if (nowMs - saidMs < SAY_EVERY_MS) return;
      saidMs = nowMs;
      say({ kind: "progress", text });
    },
    warn: (text) => say({ kind: "warning", text }),
  });
  // All old shards have found the store so, and a new one that finds it otherwise has the rows to send again.
  const known = task.from.directories.map((directory) => storeMemory(directory).read()).find((text) => text !== null);
  if (known != null) for (const directory of task.to.directories) storeMemory(directory).write(known);
}

function say(what: MoveSays): void {
  parentPort?.postMessage(what);
}

function failure(error: unknown): MoveSays {
  if (error instanceof MeterstormError)
    return { kind: "failed", code: error.code, message: error.message, mayPass: error.code === "journal_failed" };
  const isDisk = error instanceof Error && "errno" in error;
  const detail = error instanceof Error && !isDisk ? (error.stack ?? error.message) : messageOf(error);
  return { kind: "failed", code: "internal", message: detail, mayPass: isDisk };
}

invariant(parentPort !== null, "this file is a thread's");
move(workerData as MoveTask)
  .then(
    () => say({ kind: "moved" }),
    (error: unknown) => say(failure(error)),
  )
  .finally(() => parentPort?.close());
