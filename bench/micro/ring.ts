import { createRing, RingConsumer, RingProducer } from "../../engine/memory/ring.js";
import type { MicroBench } from "./harness.js";

const RECORDS = 1000;
const PAYLOAD = new Uint8Array(64).map((_, i) => i);

/**
 * The path of a record through a ring, both ends on one thread, so that only the work itself is
 * counted, not the waking of another thread.
 *
 *   producer ─write×1000─▶ publish ─▶ next×1000 ─▶ free          one publish a batch
 *   producer ─write─▶ publish ─▶ next ─▶ free, 1000 times        one publish a record
 *   array.push(copy) … array.shift()                             no shared memory at all
 */
export function ringBench(): MicroBench {
  const ring = createRing(1 << 20);
  const producer = new RingProducer(ring);
  const consumer = new RingConsumer(ring);
  const queue: { id: number; payload: Uint8Array }[] = [];
  let sum = 0;

  const drain = () => {
    while (consumer.next()) sum += consumer.id + consumer.bytes[consumer.payloadAt + 63]!;
    consumer.take();
    consumer.free(consumer.cursor);
  };
  const batched = () => {
    for (let i = 0; i < RECORDS; i++) if (!producer.write(1, i, 0, 0, PAYLOAD)) throw new Error("the ring was full");
    producer.publish();
    drain();
  };
  const single = () => {
    for (let i = 0; i < RECORDS; i++) {
      producer.write(1, i, 0, 0, PAYLOAD);
      producer.publish();
      drain();
    }
  };
  const array = () => {
    for (let i = 0; i < RECORDS; i++) queue.push({ id: i, payload: PAYLOAD.slice() });
    for (let record = queue.shift(); record !== undefined; record = queue.shift()) sum += record.id + record.payload[63]!;
  };
  const cases = [
    { name: "one publish a batch", run: batched },
    { name: "one publish a record", run: single },
    { name: "array of copies", run: array },
  ];
  return {
    name: "ring",
    unit: "record",
    unitsPerRun: RECORDS,
    cases,
    check() {
      for (const { name, run } of cases) {
        sum = 0;
        run();
        const right = (RECORDS * (RECORDS - 1)) / 2 + RECORDS * 63;
        if (sum !== right) throw new Error(`ring, ${name}: the records add up to ${sum}, right is ${right}`);
      }
    },
  };
}
