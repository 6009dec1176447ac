/** Frames as a datalogger that keeps to the contract makes them. */
export const FIRST_TS = Date.UTC(2026, 0, 1);
const MINUTE_MS = 60_000;

export function readingsFrame(seq: number, count: number): Uint8Array {
  const bytes = Buffer.alloc(16 + 24 * count);
  bytes.set([1, 1, 0, 0]);
  bytes.writeUInt32LE(count, 4);
  bytes.writeBigUInt64LE(BigInt(seq), 8);
  for (let i = 0; i < count; i++) {
    bytes.writeUInt32LE(i, 16 + 24 * i);
    bytes.writeDoubleLE(FIRST_TS + i * MINUTE_MS, 24 + 24 * i);
    bytes.writeDoubleLE(100 + i / 8, 32 + 24 * i);
  }
  return new Uint8Array(bytes);
}

/** Aliases from 0 on. */
export function bindFrame(meters: readonly string[]): Uint8Array {
  const header = Buffer.alloc(16);
  header.set([2, 1, 0, 0]);
  header.writeUInt32LE(meters.length, 4);
  const bindings = meters.map((meter, alias) => {
    const id = Buffer.from(meter);
    const head = Buffer.alloc(6);
    head.writeUInt32LE(alias, 0);
    head.writeUInt16LE(id.length, 4);
    return Buffer.concat([head, id]);
  });
  return new Uint8Array(Buffer.concat([header, ...bindings]));
}

export const TEXT_FRAMES = [
  `{"seq":1,"readings":[{"meter":"m1","ts":${FIRST_TS},"value":123.4}]}`,
  '{"seq":2,"readings":[["m1","2026-01-01T00:00:00.123456+01:00",123.5],["m2","2024-02-29T23:59:59Z",-1,7]]}',
  `{"seq":3,"readings":[{"meter":"m1","ts":${FIRST_TS},"value":123.3,"rev":1},{"meter":"m2","ts":${FIRST_TS + 3_600_000},"exchange":{"final":501.5,"start":10}},{"meter":"m2","ts":${FIRST_TS},"exchange":null}]}`,
  '{"seq":9007199254740991,"readings":[]}',
  `[["m1",${FIRST_TS},1],["temp-1","2000-01-01t00:00:00z",20.5]]`,
];
