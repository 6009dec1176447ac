import { alertsBench } from "./alerts.js";
import { alertsReadingBench } from "./alerts-reading.js";
import { decodeBench } from "./decode.js";
import { encoderBench } from "./encoder.js";
import { type MicroResult, runMicro } from "./harness.js";
import { journalBlockBench } from "./journal-block.js";
import { kernelsBench } from "./kernels.js";
import { repairBench } from "./repair.js";
import { ringBench } from "./ring.js";

/** All small benchmarks, one after the other. */
export async function runAllMicro(small: boolean): Promise<MicroResult[]> {
  const benches = [ringBench(), decodeBench(), kernelsBench(), await encoderBench(), journalBlockBench(), repairBench()];
  const watched = small ? 2_000 : 1_000_000;
  benches.push(alertsBench(watched), alertsReadingBench(watched));
  return benches.flatMap((bench) => runMicro(bench, small));
}
