import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/**
 * What tests need in order to run real servers: free ports, processes that never outlive the test
 * that started them, and conditions with deadlines instead of sleeps.
 */

/** `count` ports of 127.0.0.1 that were free a moment ago, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer();
      return new Promise<typeof server>((resolve, reject) => {
        server.once("error", reject);
        server.listen(0, "127.0.0.1", () => resolve(server));
      });
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Resolves with the first value of `probe` that is neither null, undefined nor false; a probe that throws counts as not yet. */
export async function until<T>(
  what: string,
  deadlineMs: number,
  probe: () => T | Promise<T>,
): Promise<Exclude<T, null | undefined | false>> {
  const end = performance.now() + deadlineMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await probe();
      if (value !== null && value !== undefined && value !== false) return value as Exclude<T, null | undefined | false>;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`, { cause: last });
    await delay(20);
  }
}

/** Whether a program can be started from the PATH. */
export function hasProgram(name: string, versionFlag = "--version"): boolean {
  return spawnSync(name, [versionFlag], { stdio: "ignore" }).error === undefined;
}

/**
 * The reason to skip a test that needs `what`, or false when it is there. With `CI=true` a missing
 * server is a failure, so that a pipeline cannot pass by having looked at nothing.
 */
export function skipWithout(what: string, present: boolean, remedy: string): string | false {
  if (present) return false;
  const reason = `${what} is missing: ${remedy}`;
  if (process.env["CI"] === "true") throw new Error(`${reason} (CI=true: tests may not be skipped)`);
  return reason;
}

/** A directory of its own under the system's temporary one, removed when the test's process ends. */
export function temporaryDirectory(name: string): string {
  const path = mkdtempSync(join(tmpdir(), `meterstorm-${name}-`));
  atExit(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

export interface RunningProcess {
  readonly pid: number;
  /** Null while it runs, then its exit code or signal. */
  ended(): string | null;
  /** The last of what it printed. */
  output(): string;
  /** Asks it to end, then kills it after `graceMs`; resolves when it has ended. */
  stop(graceMs?: number): Promise<void>;
  /** kill -9; resolves when it has ended. */
  kill(): Promise<void>;
}

/** Starts a server whose output goes to `logFile`; it is killed when the test's own process ends, however that happens to it. */
export function startProcess(
  command: string,
  args: readonly string[],
  env: Record<string, string>,
  logFile: string,
): RunningProcess {
  const log = openSync(logFile, "a");
  const child: ChildProcess = spawn(command, args, { env: { ...process.env, ...env }, stdio: ["ignore", log, log] });
  closeSync(log);
  // A failed test that forgot its server must not keep its own process from ending.
  child.unref();
  let ended: string | null = null;
  const over = new Promise<void>((resolve) => {
    child.once("exit", (code, signal) => {
      ended = signal ?? `exit ${code}`;
      resolve();
    });
    child.once("error", (error) => {
      ended = error.message;
      resolve();
    });
  });
  const forget = atExit(() => child.kill("SIGKILL"));
  void over.then(forget);
  return {
    pid: child.pid ?? -1,
    ended: () => ended,
    output: () => readFileSync(logFile, "utf8").slice(-4000),
    async stop(graceMs = 5000) {
      if (ended !== null) return;
      child.ref();
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
      await over;
      clearTimeout(timer);
    },
    async kill() {
      if (ended !== null) return;
      child.ref();
      child.kill("SIGKILL");
      await over;
    },
  };
}

const exitTasks = new Set<() => void>();
let exitHooked = false;

function atExit(task: () => void): () => void {
  if (!exitHooked) {
    exitHooked = true;
    process.on("exit", runExitTasks);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.once(signal, () => {
        runExitTasks();
        process.kill(process.pid, signal);
      });
    }
  }
  exitTasks.add(task);
  return () => exitTasks.delete(task);
}

/** Processes end before their directories go: the latest comes first. */
function runExitTasks(): void {
  for (const task of [...exitTasks].reverse()) {
    try {
      task();
    } catch {
      // Another task's process must still be ended.
    }
  }
  exitTasks.clear();
}
