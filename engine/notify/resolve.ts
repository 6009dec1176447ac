import { lookup, Resolver } from "node:dns/promises";
import { isIP } from "node:net";
import { messageOf } from "../base/errors.js";

/** All addresses of a host name. Rejects when there are none. */
export type Resolve = (host: string, signal: AbortSignal) => Promise<string[]>;

const QUESTION_MS = 2_000;
const TRIES = 2;

export interface ResolveOptions {
  /** Address and port of each; those of the system unless given. */
  readonly servers?: readonly string[];
  /** For an answer of one server. */
  readonly questionMs?: number;
  readonly tries?: number;
}

/**
 * Asks the DNS servers by themselves, and the system (hosts file, search domains) only for what they do not know. The
 * system is asked on a few threads that the disk is written from as well: a name whose servers hang would sit on them.
 */
export function hostResolver(options: ResolveOptions = {}): Resolve {
  return async (host, signal) => {
    if (isIP(host) !== 0) return [host];
    if (host.includes(".") && !host.endsWith(".local") && !host.endsWith(".localhost")) {
      const found = await askServers(host, signal, options);
      if (found.length > 0) return found;
    }
    return (await lookup(host, { all: true })).map(({ address }) => address);
  };
}

/** Rejects when no server answers in time; empty when they know no such name or cannot be asked at all. */
async function askServers(host: string, signal: AbortSignal, options: ResolveOptions): Promise<string[]> {
  const resolver = new Resolver({ timeout: options.questionMs ?? QUESTION_MS, tries: options.tries ?? TRIES });
  if (options.servers !== undefined) resolver.setServers(options.servers);
  const cancel = (): void => resolver.cancel();
  signal.addEventListener("abort", cancel, { once: true });
  try {
    const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
    const found = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
    const silent = answers.find((answer) => answer.status === "rejected" && isSilence(answer.reason));
    if (found.length === 0 && silent?.status === "rejected") {
      throw new Error(`the DNS servers do not answer for ${host}: ${messageOf(silent.reason)}`, { cause: silent.reason });
    }
    return found;
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}

function isSilence(reason: unknown): boolean {
  return ["ETIMEOUT", "ECANCELLED"].includes((reason as NodeJS.ErrnoException | undefined)?.code ?? "");
}
