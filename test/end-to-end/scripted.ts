import assert from "node:assert/strict";
import type { TestTenant } from "../support/engine.js";
import type { Random } from "../support/random.js";
import { ask } from "./api.js";
import { Aliases, type Arrival, elementsOf } from "./mixed-sender.js";
import { Wire } from "./wire.js";

/** Time between two frames of one sender, so that whatever happens to the engine happens amid them. */
const PACE_MS = 15;
const MOST_IN_FRAME = 6;

/** Sends what its script says, over all that happens to the engine, until everything is acked. */
export interface Scripted {
  readonly name: string;
  readonly inputs: number;
  readonly ackedInputs: number;
  /** Handed over at least once, acked or not. */
  readonly sentInputs: number;
  run(signal: AbortSignal): Promise<void>;
}

/** Arrivals in runs of random lengths: the frames of a script. */
export function inFrames(arrivals: readonly Arrival[], random: Random): Arrival[][] {
  const frames: Arrival[][] = [];
  for (let from = 0; from < arrivals.length; ) {
    const to = from + 1 + random.int(MOST_IN_FRAME);
    frames.push(arrivals.slice(from, to));
    from = to;
  }
  return frames;
}

/** A datalogger whose frames are a function of their seq: after a loss it goes on from what the welcome says. */
export function scriptedLogger(
  wsUrl: string,
  tenant: TestTenant,
  name: string,
  frames: readonly (readonly Arrival[])[],
  random: Random,
): Scripted {
  const inBinary = frames.map((frame) => frame.every(({ input }) => "value" in input) && random.chance(0.6));
  let acked = 0;
  let sent = 0;

  async function converse(wire: Wire, signal: AbortSignal): Promise<void> {
    const { lastSeq } = wire.welcome;
    assert.ok(lastSeq >= acked, `${name} was acked ${acked}, and is welcomed with ${lastSeq}`);
    assert.ok(lastSeq <= frames.length, `${name} has ${frames.length} frames, and is welcomed with ${lastSeq}`);
    acked = lastSeq;
    const aliases = new Aliases();
    for (let seq = lastSeq + 1; wire.closed === null && acked < frames.length && !signal.aborted; await pause()) {
      if (seq <= frames.length) send(wire, aliases, seq++);
      const last = wire.acks.at(-1)?.seq ?? lastSeq;
      assert.ok(last >= acked, `${name} was acked ${acked}, then ${last}`);
      acked = last;
    }
    assert.deepEqual(wire.rejected, [], name);
    assert.equal(wire.closed?.error ?? null, null, `${name}: ${wire.closed?.message}`);
    wire.close();
  }

  function send(wire: Wire, aliases: Aliases, seq: number): void {
    const arrivals = frames[seq - 1]!;
    sent = Math.max(sent, seq);
    if (!inBinary[seq - 1]) {
      wire.send({ seq, readings: elementsOf(arrivals) });
      return;
    }
    const { bind, frame } = aliases.frames(seq, arrivals);
    if (bind !== null) wire.send(bind);
    wire.send(frame);
  }

  return {
    name,
    inputs: frames.flat().length,
    get ackedInputs() {
      return frames.slice(0, acked).flat().length;
    },
    get sentInputs() {
      return frames.slice(0, sent).flat().length;
    },
    async run(signal) {
      while (acked < frames.length && !signal.aborted) {
        const wire = await Wire.open(wsUrl, tenant.tokens.ingest, name).catch(() => null);
        if (wire !== null) await converse(wire, signal);
        await pause();
      }
    },
  };
}

/** Posts over HTTP; one that is not answered is sent again. */
export function scriptedPoster(url: string, tenant: TestTenant, name: string, posts: readonly (readonly Arrival[])[]): Scripted {
  let acked = 0;
  return {
    name,
    inputs: posts.flat().length,
    get ackedInputs() {
      return posts.slice(0, acked).flat().length;
    },
    get sentInputs() {
      return posts.slice(0, acked + 1).flat().length;
    },
    async run(signal) {
      while (acked < posts.length && !signal.aborted) {
        const body = JSON.stringify({ readings: elementsOf(posts[acked]!) });
        const path = `/v1/readings?datalogger=${name}`;
        const answer = await ask(url, path, tenant.tokens.ingest, { method: "POST", body }).catch(() => null);
        if (answer?.status === 200) {
          assert.deepEqual(answer.body, { accepted: posts[acked]!.length, rejected: [] }, name);
          acked++;
        } else if (answer !== null) assert.equal(answer.status, 503, JSON.stringify(answer.body));
        await pause();
      }
    },
  };
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PACE_MS));
}
