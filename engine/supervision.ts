import type { Logger } from "pino";
import type { ShardQueries } from "./api/shard-queries.js";
import { systemClock } from "./base/clock.js";
import type { MeterstormError } from "./base/errors.js";
import { limits } from "./base/limits.js";
import type { InForce } from "./config/in-force.js";
import type { Config } from "./config/schema.js";
import type { DirectoryClaim } from "./data-directory.js";
import type { Gateway } from "./intake/gateway.js";
import { createClaims } from "./memory/claims.js";
import { spreadOf } from "./placement.js";
import type { Shard } from "./shards/shard.js";
import type { SupervisorPorts } from "./shards/supervisor.js";
import type { OpenStore } from "./store/open.js";

export interface SupervisionPorts {
  readonly config: Config;
  readonly shards: number;
  readonly inForce: InForce;
  readonly store: OpenStore;
  readonly gateway: Gateway;
  readonly queries: ShardQueries;
  readonly log: Logger;
  claim(): DirectoryClaim;
  /** The engine cannot go on. */
  fatal(code: string, message: string): void;
}

/** What the threads of an engine's shards are started with, and who is told when one is replaced. */
export function supervisionOf(ports: SupervisionPorts): SupervisorPorts {
  const { config, shards, log } = ports;
  const spread = Object.entries(spreadOf(config, shards)).flatMap(([tenant, over]) => (over > 1 ? [tenant] : []));
  const claims = spread.length === 0 ? null : createClaims(limits.claimSlots);
  return {
    clock: systemClock,
    taskOf: ({ index }) => ({
      index,
      shards,
      directory: ports.claim().shardDirectory(index),
      plans: ports.inForce.plans,
      splitTenants: spread,
      claims,
      ack: config.ack,
      journalMaxBytes: Math.floor(config.journal.maxBytes / shards),
      journalKeepMs: config.journal.keepMs,
      store: ports.store.target,
      storePort: ports.store.portForShard(),
    }),
    failedToStart: ({ index }: Shard, { code, message }: MeterstormError) => ports.fatal(code, `shard ${index}: ${message}`),
    replacing: ({ index }, { code, message }) => log.error({ shard: index, code }, `shard is opened again: ${message}`),
    setAside: ({ index }, id) => {
      const what =
        "a frame that has ended the shard's thread again and again is refused; what it holds is kept in the table rejected";
      log.error({ shard: index, ...ports.gateway.whose(id) }, what);
    },
    succession: (shard) => {
      shard.heardLast();
      ports.queries.lost(shard);
      return { durable: shard.life.durable, sessions: ports.gateway.resumed(shard) };
    },
  };
}
