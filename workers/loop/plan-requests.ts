import type { MessagePort } from "node:worker_threads";
import { MeterstormError, messageOf } from "../../engine/base/errors.js";
import type { TenantPlan } from "../../engine/base/settings.js";
import type { PlanAnswer, PlanRequest } from "../../engine/shards/tasks.js";

/** Who can go on by other settings of all clients; both throw what keeps it from that, and nothing is changed then. */
export interface PlanTaker {
  check(plans: readonly TenantPlan[]): void;
  adopt(plans: readonly TenantPlan[]): void;
}

/** Answers requests between two steps of the loop, until the port is closed. */
export function answerPlans(port: MessagePort, taker: PlanTaker): void {
  port.on("message", ({ id, kind, plans }: PlanRequest) => {
    let error: PlanAnswer["error"] = null;
    try {
      if (kind === "check") taker.check(plans);
      else taker.adopt(plans);
    } catch (thrown) {
      error = { code: thrown instanceof MeterstormError ? thrown.code : "internal", message: messageOf(thrown) };
    }
    port.postMessage({ id, error } satisfies PlanAnswer);
  });
}
