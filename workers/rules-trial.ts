import { parentPort, workerData } from "node:worker_threads";
import { InvariantError, invariant, MeterstormError, messageOf } from "../engine/base/errors.js";
import type { TrialAnswer, TrialMessage, TrialTask } from "../engine/base/rules-trial.js";
import { RulesTrial } from "./loop/rules-trial.js";

/** The thread that runs a client's rules over the history of its meters, one meter after the other; it ends with its port. */
const task = workerData as TrialTask;
let meter: string | null = null;
let trial: RulesTrial | null = null;

function answer(message: TrialMessage): TrialAnswer {
  if (meter !== message.meter || trial === null) {
    invariant(trial === null, `the history of ${message.meter} came before that of ${meter} had ended`);
    meter = message.meter;
    trial = new RulesTrial(task, message.meter);
  }
  if (message.type === "feed") {
    trial.feed(message);
    return { type: "fed" };
  }
  const { refused } = trial;
  const transitions = trial.end();
  trial = null;
  return { type: "ended", transitions, refused };
}

parentPort?.on("message", (message: TrialMessage) => {
  let told: TrialAnswer;
  try {
    told = answer(message);
  } catch (error) {
    if (error instanceof InvariantError) throw error;
    told = { type: "failed", code: error instanceof MeterstormError ? error.code : "internal", message: messageOf(error) };
  }
  parentPort?.postMessage(told);
});
