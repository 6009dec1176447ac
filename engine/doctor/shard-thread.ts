import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { MeterstormError, messageOf } from "../base/errors.js";
import type { ShardFindings, ShardToExamine } from "../base/shard-findings.js";

const file = fileURLToPath(new URL("../../workers/doctor.js", import.meta.url));

/** A shard's directory looked at on a thread of its own, with the code that opens one; its memory is given back before the next. */
export function examineOnThread(task: ShardToExamine): Promise<ShardFindings> {
  return new Promise((resolve, reject) => {
    const failed = (error: unknown) =>
      reject(new MeterstormError("internal", `${task.directory} could not be looked at: ${messageOf(error)}`, { cause: error }));
    const worker = new Worker(file, { workerData: task });
    worker.on("message", resolve);
    worker.on("error", failed);
    worker.on("exit", (code) => failed(new Error(`the thread ended with ${code}`)));
  });
}
