import { randomBytes } from "node:crypto";
import { createServer } from "node:net";
import type { Logger } from "pino";
import { systemClock, type Timer } from "../base/clock.js";
import { MeterstormError, messageOf } from "../base/errors.js";
import { startEngine } from "../engine.js";
import { DEMO_CLIENTS } from "./clients.js";
import { demoFleetConfig } from "./config.js";
import { Fleet } from "./fleet.js";
import { Story } from "./story.js";

export interface DemoOptions {
  /** An empty directory: the demo's dataloggers begin with their first reading. */
  readonly dataDir: string;
  /** The first port to try. */
  readonly port: number;
  readonly log: Logger;
  /** Takes each line that is meant for whoever looks on. */
  readonly print: (line: string) => void;
  /** A day of the recorded series passes in a second unless this says otherwise. */
  readonly hoursPerSecond?: number;
  /** Between two lines of what happens. */
  readonly linesEveryMs?: number;
  /** Ends the series after so many hours. */
  readonly maxHours?: number;
}

export interface Demo {
  readonly url: string;
  /** Each client's token with role read. */
  readonly tokens: ReadonlyMap<string, string>;
  /** Resolves when the series have been sent and acked; rejects with what ended the engine or a datalogger. */
  readonly finished: Promise<void>;
  close(): Promise<void>;
}

const PORTS_TRIED = 50;
const LINES_EVERY_MS = 5000;

/** Starts the engine on its embedded store and a fleet that streams recorded meter data, and says how to look at it. */
export async function runDemo(options: DemoOptions): Promise<Demo> {
  const { dataDir, log, print, hoursPerSecond = 24 } = options;
  const port = await freePort(options.port);
  const { config, tokens } = demoFleetConfig({ dataDir, port, clients: DEMO_CLIENTS, random: randomBytes });
  const engine = await startEngine(config, { log });
  const clock = systemClock;
  const fleet = new Fleet({
    ...{ url: engine.url, clients: DEMO_CLIENTS, tokens, hoursPerSecond, clock },
    maxHours: options.maxHours ?? null,
  });

  print("");
  print("meterstorm runs with its embedded store and a demo fleet. The console, one address a client:");
  for (const { tenant, title } of DEMO_CLIENTS) print(`  ${title}:\n    ${engine.url}/#token=${tokens.get(tenant)!.read}`);
  print("");
  print(`Every second brings ${hoursPerSecond} hours of recorded readings; Ctrl+C ends it.`);
  print("");
  fleet.start();

  const story = new Story(engine.url, DEMO_CLIENTS, tokens, clock.monotonicMs());
  let timer: Timer | null = null;
  let closed = false;
  const tell = async (): Promise<void> => {
    try {
      const line = await story.next(fleet.progress, clock.monotonicMs());
      if (!closed) print(line);
    } catch (error) {
      if (!closed) print(`the engine could not be asked: ${messageOf(error)}`);
    }
    if (!closed) timer = clock.after(options.linesEveryMs ?? LINES_EVERY_MS, () => void tell());
  };
  timer = clock.after(1000, () => void tell());

  const finished = Promise.race([fleet.finished(), engine.failed.then((error) => Promise.reject(error))]);
  return {
    url: engine.url,
    tokens: new Map([...tokens].map(([tenant, { read }]) => [tenant, read])),
    finished,
    async close() {
      closed = true;
      timer?.cancel();
      await fleet.stop();
      await engine.close();
    },
  };
}

/** The first port from `first` on that nobody listens on. Throws MeterstormError `port_taken` when none of them is free. */
async function freePort(first: number): Promise<number> {
  for (let port = first; port < first + PORTS_TRIED; port++) if (await isFree(port)) return port;
  throw new MeterstormError(
    "port_taken",
    `none of the ports ${first} to ${first + PORTS_TRIED - 1} is free; set PORT to begin elsewhere`,
  );
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}
