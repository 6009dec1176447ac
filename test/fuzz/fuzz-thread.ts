import { parentPort, workerData } from "node:worker_threads";
import { fuzz } from "./rounds.js";
import type { OpenTarget } from "./target.js";
import { Board, type Order } from "./watched.js";

const order = workerData as Order;
const board = new Board(order.board);
const { open } = (await import(`./targets/${order.target}.js`)) as { open: OpenTarget };
const target = await open();
const outcome = await fuzz(target, {
  ...{ seed: order.seed, forMs: order.forMs, nowMs: () => performance.now() },
  begins: (number, input) => board.write(number, input),
});
await target.close?.();
parentPort?.postMessage(outcome);
