import assert from "node:assert/strict";
import { NameType } from "../../../engine/base/entries.js";
import { Input, Outcome } from "../../../engine/memory/protocol.js";
import { replayNames } from "../../../workers/loop/snapshot-sections.js";
import { concat, gathered } from "../../journal/units.js";
import { reference } from "../../reference/reference.js";
import { Tables } from "../../state/tables.js";
import { SimDisk } from "../../support/sim-disk.js";
import { mutateBytes } from "../mutate.js";
import { mutateJson } from "../mutate-json.js";
import { bindFrame, FIRST_TS, readingsFrame, TEXT_FRAMES } from "../seed-frames.js";
import { NEIGHBOUR_SETTINGS, openSimShard, type SimShard } from "../sim-shard.js";
import { bytesOf, type Target } from "../target.js";

/** Inputs that one shard sees before the neighbour's rows are looked at and another shard is begun. */
const INPUTS_PER_SHARD = 150;
const NEIGHBOUR_ID = 1;
const CODE = /^[a-z][a-z0-9_]+$/;

/**
 * One client's dataloggers send whatever comes, as text, as binary and as posts, all frames of a few under one connection; between
 * them another client's datalogger sends a reading at a time, all of which must be acked and end in exactly their rows.
 */
class Feed {
  #sim: SimShard | null = null;
  #inputs = 0;
  #seq = 0;
  #acked = 0;
  #connection = NEIGHBOUR_ID;
  #isOpen = new Set<number>();

  async run(input: Uint8Array): Promise<void> {
    this.#sim ??= await this.#begin();
    const sim = this.#sim;
    if (this.#inputs % 3 === 0) this.#hello(sim, ++this.#connection, "hostile", `d${this.#connection}`);
    const id = this.#connection;
    this.#give(sim, Input.TEXT, id, input);
    this.#give(sim, Input.BINARY, id, input);
    const origin = Buffer.from(JSON.stringify({ tenant: "hostile", datalogger: `p${id}` }));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(origin.length);
    this.#give(sim, Input.POST, this.#inputs + 1, concat([length, origin, input]));
    const seq = ++this.#seq;
    this.#give(
      sim,
      Input.TEXT,
      NEIGHBOUR_ID,
      bytesOf(JSON.stringify({ seq, readings: [["n1", this.#ts(seq), this.#value(seq)]] })),
    );
    while (sim.shard.loop.step() > 0);
    await sim.shard.journal.committed(sim.shard.journal.appended);
    sim.shard.loop.settle();
    this.#listen(sim);
    assert.equal(this.#acked, seq, "the neighbour's frame was not acked");
    if (++this.#inputs < INPUTS_PER_SHARD) return;
    await this.#look(sim);
    await this.close();
  }

  #ts(seq: number): number {
    return FIRST_TS + seq * 60_000;
  }

  #value(seq: number): number {
    return 1000 + Math.floor(seq / 2) + (seq % 7) / 1000;
  }

  async #begin(): Promise<SimShard> {
    const sim = await openSimShard(new SimDisk());
    sim.shard.loop.start();
    this.#inputs = this.#seq = this.#acked = 0;
    this.#connection = NEIGHBOUR_ID;
    this.#isOpen.clear();
    this.#hello(sim, NEIGHBOUR_ID, "neighbour", "n");
    return sim;
  }

  #hello(sim: SimShard, id: number, tenant: string, datalogger: string): void {
    this.#isOpen.add(id);
    this.#give(sim, Input.HELLO, id, bytesOf(JSON.stringify({ tenant, datalogger })));
  }

  #give({ input, clock }: SimShard, type: number, id: number, payload: Uint8Array): void {
    assert.ok(input.write(type, id, 0, clock.nowMs(), payload), "the ring has no room");
    input.publish();
  }

  /** Every answer is one that the main thread can pass on. */
  #listen({ output }: SimShard): void {
    while (output.next()) {
      const { type, id, extra, number, payloadAt, payloadBytes } = output;
      const payload = Buffer.from(output.bytes.slice(payloadAt, payloadAt + payloadBytes));
      if (type === Outcome.CLOSE) {
        assert.notEqual(id, NEIGHBOUR_ID, `the neighbour was closed: ${payload.toString()}`);
        assert.match(payload.toString().split("\n")[0] ?? "", CODE);
        assert.ok(extra >= 1000 && extra < 1016 && payloadBytes < 4096, `closed with ${extra} and ${payloadBytes} bytes`);
        this.#isOpen.delete(id);
      } else if (type === Outcome.ACK) {
        if (id === NEIGHBOUR_ID) {
          assert.equal(payload.subarray(8).toString(), "", "readings of the neighbour were rejected");
          this.#acked = number;
        } else {
          const rejects = JSON.parse(`[${payload.subarray(8).toString()}]`) as { code: string }[];
          for (const { code } of rejects) assert.match(code, CODE);
        }
      } else if (type === Outcome.POSTED && extra !== 0) {
        assert.ok([200, 400, 413, 429].includes(extra), `a post was answered ${extra}: ${payload.toString().slice(0, 300)}`);
        JSON.parse(payload.toString());
      }
    }
    output.take();
    output.free(output.cursor);
  }

  async #look({ shard }: SimShard): Promise<void> {
    const units = await gathered(shard.journal.replay(0));
    const { directory } = shard.applier;
    const meter = directory.metersOf(directory.tenantNumber("neighbour"));
    const all = [...meter];
    assert.deepEqual(
      all.map(([id]) => id),
      ["n1"],
    );
    const tables = new Tables();
    tables.take(units, all[0]![1]);
    const inputs = Array.from({ length: this.#seq }, (_, i) => ({ ts: this.#ts(i + 1), value: this.#value(i + 1) }));
    assert.deepEqual(plain(tables.rows()), plain(reference(NEIGHBOUR_SETTINGS, inputs)), "the neighbour's rows");
    replayNames(units, (type, _number, _parent, text) => {
      if (type === NameType.METER) assert.ok(text.length >= 1 && text.length <= 128, `a meter is called ${text}`);
    });
  }

  async close(): Promise<void> {
    const sim = this.#sim;
    this.#sim = null;
    if (sim === null) return;
    await sim.shard.loop.beside.stop();
    await sim.shard.loop.pump.stop(0);
    await sim.shard.journal.close();
  }
}

/** -0 and 0 are the same amount. */
function plain(rows: unknown): unknown {
  return JSON.parse(JSON.stringify(rows));
}

export function open(): Target {
  const feed = new Feed();
  const frames = [
    readingsFrame(1, 3),
    readingsFrame(2, 1),
    readingsFrame(7, 0),
    bindFrame(["m1", "zähler 2", ""]),
    bindFrame(["m1"]),
  ];
  const texts = TEXT_FRAMES.map(bytesOf);
  return {
    ...{ name: "shard", seeds: [...frames, ...texts] },
    mutate: (random, all) =>
      random.chance(0.5) ? mutateBytes(random, frames) : mutateJson(random, random.chance(0.5) ? texts : all),
    run: (input) => feed.run(input),
    close: () => feed.close(),
  };
}
