import { connect } from "node:net";
import { join } from "node:path";
import { freePorts, hasProgram, type RunningProcess, skipWithout, startProcess, temporaryDirectory, until } from "./servers.js";

export interface RunningRedis {
  url: string;
  port: number;
  pid: number;
  stop(): Promise<void>;
  /** kill -9: nothing was persisted, so the next one starts empty. */
  kill(): Promise<void>;
}

/** False when Redis can be started here, else why not; a failure with `CI=true`. */
export function redisSkip(): string | false {
  return skipWithout("redis-server", hasProgram("redis-server"), "install redis-server (7 or newer)");
}

/** A server of its own on a free port (or `port`, to come back where an earlier one was), without persistence. */
export async function startRedis(options: { port?: number } = {}): Promise<RunningRedis> {
  const directory = temporaryDirectory("redis");
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePorts(1))[0] ?? 0;
    const server = startProcess(
      "redis-server",
      ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", directory],
      {},
      join(directory, "server.log"),
    );
    try {
      await until("Redis answers PING", 10_000, () => server.ended() !== null || pings(port));
      if (server.ended() !== null) throw new Error("it ended at once");
      return { url: `redis://127.0.0.1:${port}`, port, pid: server.pid, stop: () => server.stop(), kill: () => server.kill() };
    } catch (error) {
      await server.kill();
      if (options.port === undefined && attempt < 3 && taken(server)) continue;
      throw new Error(`Redis did not start (${server.ended()}):\n${server.output()}`, { cause: error });
    }
  }
}

function taken(server: RunningProcess): boolean {
  return /address already in use/i.test(server.output());
}

function pings(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("PING\r\n"));
    socket.setTimeout(1000, () => socket.destroy(new Error("no answer")));
    socket.once("error", reject);
    socket.once("data", (data) => {
      socket.destroy();
      resolve(data.toString().startsWith("+PONG"));
    });
  });
}
