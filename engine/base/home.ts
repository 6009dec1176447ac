import { stableHash } from "./ids.js";

/** How many shards there are, and over how many of them each client is spread; over one where it is not named. */
export interface Layout {
  readonly shards: number;
  readonly spread: Readonly<Record<string, number>>;
}

/** The shard in which a client's datalogger is: always the same one, by their names alone. */
export function homeOf(tenant: string, datalogger: string, spread: number, shards: number): number {
  const step = spread > 1 ? stableHash(`${tenant}\n${datalogger}`) % spread : 0;
  return (stableHash(tenant) + step) % shards;
}

/** The shards in which a client's meters may be; its own first. */
export function homesOf(tenant: string, spread: number, shards: number): number[] {
  return Array.from({ length: spread }, (_, step) => (stableHash(tenant) + step) % shards);
}

export function spreadIn({ shards, spread }: Layout, tenant: string): number {
  return Math.min(Object.hasOwn(spread, tenant) ? spread[tenant]! : 1, shards);
}

/** A layout with the directories of its shards. */
export interface Place extends Layout {
  readonly directories: readonly string[];
}
