import type { Clock } from "../base/clock.js";
import { sleep } from "../base/clock.js";
import { MeterstormError, messageOf } from "../base/errors.js";
import type { TenantPlan } from "../base/settings.js";
import type { Shard } from "./shard.js";

/** Frames that wait in a ring are worked on in a moment, unless the journal is full. */
const DRY_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 1;

export interface PlanChange {
  plans: readonly TenantPlan[];
  /** Makes durable what a start would find; it is called once all shards could go on by the plans, and before any does. */
  commit(): void;
  /** Called once all shards go on by the plans, before they get another frame. */
  adopted(): void;
}

/** The shards are no longer of one mind, and only a start brings them back to it. */
export class HalfChanged extends MeterstormError {
  constructor(cause: unknown) {
    super("settings_half_taken", `not every shard took the new settings: ${messageOf(cause)}`, { cause });
  }
}

/**
 * Has all shards go on by other settings between two frames, or none of them: while no frame moves, each is asked whether it
 * could, and then to do so.
 * @throws MeterstormError `busy`: the shards are not open or did not come to rest, nothing was changed; `settings_changed`; what
 * `commit` throws; HalfChanged
 */
export async function changePlans(shards: readonly Shard[], change: PlanChange, clock: Clock): Promise<void> {
  const ports = shards.map(({ index, trouble, plans }) => {
    if (trouble === "" && plans !== null) return plans;
    throw new MeterstormError("busy", `shard ${index} takes no other settings now: ${trouble || "starting"}`);
  });
  for (const { scheduler } of shards) scheduler.hold();
  try {
    await untilDry(shards, clock);
    const { plans } = change;
    await Promise.all(ports.map((port) => port.ask("check", plans)));
    change.commit();
    await Promise.all(ports.map((port) => port.ask("adopt", plans))).catch((error: unknown) => {
      throw new HalfChanged(error);
    });
    // Whoever took its place meanwhile was started with the old plans, and would go on by them for good.
    if (ports.some(({ isClosed }) => isClosed)) throw new HalfChanged("a shard ended as soon as it had taken them");
    change.adopted();
  } finally {
    for (const { scheduler } of shards) scheduler.open();
  }
}

async function untilDry(shards: readonly Shard[], clock: Clock): Promise<void> {
  const endMs = clock.monotonicMs() + DRY_WITHIN_MS;
  while (!shards.every(({ scheduler }) => scheduler.ringIsDry)) {
    if (clock.monotonicMs() > endMs)
      throw new MeterstormError("busy", `frames that were taken are not worked on within ${DRY_WITHIN_MS} ms: a journal is full`);
    await sleep(clock, LOOK_EVERY_MS);
  }
}
