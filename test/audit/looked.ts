import type { MemoryShard } from "../support/memory-shard.js";

/** Until the auditor has looked at so many days more, or finds none to look at. */
export async function looked(shard: MemoryShard, days: number): Promise<void> {
  const auditor = shard.auditor;
  if (auditor === null) throw new Error("nobody audits");
  const until = auditor.days + days;
  let idle = 0;
  for (let asked = -1; auditor.days < until && idle < 200; ) {
    await shard.turns(1);
    idle = asked === shard.audited.length ? idle + 1 : 0;
    asked = shard.audited.length;
    if (shard.failure !== null) throw shard.failure;
  }
}
