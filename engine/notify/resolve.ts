import { lookup, Resolver } from "node:dns/promises";
import { isIP } from "node:net";
import { messageOf } from "../base/errors.js";

/** All addresses of a host name. Rejects when there are none. */
export type Resolve = (host: string, signal: AbortSignal) => Promise<string[]>;

const QUESTION_MS = 2_000;
const TRIES = 2;

/**
 * Asks the DNS servers by themselves, and the system (hosts file, search domains) only for what they do not know. The
 * system is asked on a few threads that the disk is written from as well: a name whose servers hang would sit on them.
 */
export const resolveHost: Resolve = async (host, signal) => {
  if (isIP(host) !== 0) return [host];
  if (host.includes(".") && !host.endsWith(".local") && !host.endsWith(".localhost")) {
    const found = await askServers(host, signal);
    if (found.length > 0) return found;
  }
  return (await lookup(host, { all: true })).map(({ address }) => address);
};

/** Rejects when no server answers in time; empty when they know no such name or cannot be asked at all. */
async function askServers(host: string, signal: AbortSignal): Promise<string[]> {
  const resolver = new Resolver({ timeout: QUESTION_MS, tries: TRIES });
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
