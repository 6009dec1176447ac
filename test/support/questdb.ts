import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../engine/base/package-root.js";
import { freePorts, hasProgram, type RunningProcess, skipWithout, startProcess, temporaryDirectory, until } from "./servers.js";

const VERSION = "9.3.4";
const CACHE = join(packageRoot, ".cache", "questdb");
const JAR = join(CACHE, `questdb-${VERSION}.jar`);

export interface QuestDbOptions {
  /** A directory of an earlier server, to start again on its data. */
  dataDir?: string;
  /** The port of an earlier server, so that its clients find the new one. */
  port?: number;
  /** More `QDB_…` variables. */
  env?: Record<string, string>;
}

export interface RunningQuestDb {
  httpUrl: string;
  port: number;
  pid: number;
  dataDir: string;
  stop(): Promise<void>;
  /** kill -9. */
  kill(): Promise<void>;
}

/** False when QuestDB can be started here, else why not; a failure with `CI=true`. */
export function questDbSkip(): string | false {
  const java = skipWithout("a Java runtime (17 or newer)", hasProgram("java", "-version"), "install openjdk-17-jre-headless");
  if (java !== false) return java;
  return skipWithout(`questdb-${VERSION}.jar`, existsSync(JAR) || hasProgram("mvn"), "install maven, which fetches it");
}

/** A server of its own on a free port: HTTP only, telemetry off, gone when the test's process ends. */
export async function startQuestDb(options: QuestDbOptions = {}): Promise<RunningQuestDb> {
  await jarPresent();
  const dataDir = options.dataDir ?? temporaryDirectory("questdb");
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePorts(1))[0] ?? 0;
    const server = startServer(dataDir, port, options.env ?? {});
    const httpUrl = `http://127.0.0.1:${port}`;
    try {
      await until("QuestDB answers a query", 60_000, () => answers(server, httpUrl));
      if (server.ended() !== null) throw new Error("it ended at once");
      return { httpUrl, port, pid: server.pid, dataDir, stop: () => server.stop(), kill: () => server.kill() };
    } catch (error) {
      await server.kill();
      const taken = /could not bind|Address already in use/i.test(server.output());
      if (taken && options.port === undefined && attempt < 3) continue;
      throw new Error(`QuestDB did not start (${server.ended()}):\n${server.output()}`, { cause: error });
    }
  }
}

function startServer(dataDir: string, port: number, env: Record<string, string>): RunningProcess {
  return startProcess(
    "java",
    [
      "-Xmx1g",
      "-XX:+UseSerialGC",
      // It unpacks its native library there and leaves it behind when it is killed.
      `-Djava.io.tmpdir=${dataDir}`,
      ...["--add-exports", "java.base/jdk.internal.math=io.questdb"],
      ...["-p", JAR, "-m", "io.questdb/io.questdb.ServerMain", "-d", dataDir],
    ],
    {
      QDB_HTTP_BIND_TO: `127.0.0.1:${port}`,
      QDB_HTTP_MIN_ENABLED: "false",
      QDB_PG_ENABLED: "false",
      QDB_LINE_TCP_ENABLED: "false",
      QDB_TELEMETRY_ENABLED: "false",
      QDB_SHARED_WORKER_COUNT: "2",
      ...env,
    },
    join(dataDir, "server.log"),
  );
}

async function answers(server: RunningProcess, httpUrl: string): Promise<boolean> {
  if (server.ended() !== null) return true;
  const response = await fetch(`${httpUrl}/exec?query=${encodeURIComponent("select 1")}`, { signal: AbortSignal.timeout(2000) });
  await response.arrayBuffer();
  return response.ok;
}

/** Two test files may ask for the jar at once: one fetches, the others wait for it. */
async function jarPresent(): Promise<void> {
  if (existsSync(JAR)) return;
  mkdirSync(CACHE, { recursive: true });
  const lock = join(CACHE, "lock");
  await until("questdb jar is in place", 300_000, () => {
    if (existsSync(JAR)) return true;
    if (!takeLock(lock)) return false;
    try {
      fetchJar();
    } finally {
      rmSync(lock, { force: true });
    }
    return true;
  });
}

/** A lock file holds its owner's pid; one whose owner is gone is taken over. */
function takeLock(lock: string): boolean {
  try {
    writeFileSync(lock, String(process.pid), { flag: "wx" });
    return true;
  } catch {
    try {
      process.kill(Number(readFileSync(lock, "utf8")), 0);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ESRCH") rmSync(lock, { force: true });
    }
    return false;
  }
}

function fetchJar(): void {
  const into = join(CACHE, `fetch-${process.pid}`);
  const run = spawnSync(
    "mvn",
    ["-q", "dependency:copy", `-Dartifact=org.questdb:questdb:${VERSION}`, `-DoutputDirectory=${into}`],
    {
      encoding: "utf8",
    },
  );
  if (run.status !== 0) throw new Error(`mvn could not fetch QuestDB ${VERSION}: ${run.stdout}${run.stderr}`);
  renameSync(join(into, `questdb-${VERSION}.jar`), JAR);
  rmSync(into, { recursive: true, force: true });
}
