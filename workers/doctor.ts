import { parentPort, workerData } from "node:worker_threads";
import type { ShardToExamine } from "../engine/base/shard-findings.js";
import { examineShard } from "./doctor/examine-shard.js";

/** The thread that looks at one shard's directory and ends with what it has found. */
parentPort?.postMessage(await examineShard(workerData as ShardToExamine));
