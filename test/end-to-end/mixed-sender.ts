import assert from "node:assert/strict";
import { encodeBinaryFrame, encodeBindFrame } from "../../engine/client/frames.js";
import type { Input } from "../reference/history.js";
import type { RunningEngine, TestTenant } from "../support/engine.js";
import { ask } from "./api.js";
import { Wire } from "./wire.js";

/** What arrives of a meter. */
export interface Arrival {
  readonly meter: string;
  readonly input: Input;
}

export type Form = "text" | "binary" | "post";

/** Exchanges have no binary form. */
export function formsOf(arrivals: readonly Arrival[]): readonly Form[] {
  return arrivals.some(({ input }) => "exchange" in input) ? ["text", "post"] : ["text", "binary", "post"];
}

/** Meters' numbers on one connection. */
export class Aliases {
  readonly #aliases = new Map<string, number>();

  /** The bind frame that has to go before, null where all meters are known, and the frame. */
  frames(seq: number, arrivals: readonly Arrival[]): { bind: Uint8Array | null; frame: Uint8Array } {
    const strangers = [...new Set(arrivals.map(({ meter }) => meter))].filter((meter) => !this.#aliases.has(meter));
    for (const meter of strangers) this.#aliases.set(meter, this.#aliases.size);
    const aliasOf = (meter: string) => this.#aliases.get(meter)!;
    const readings = arrivals.map(({ meter, input }) => {
      assert.ok("value" in input, "exchanges travel in text");
      return { alias: aliasOf(meter), ...input };
    });
    const bind = strangers.length === 0 ? null : encodeBindFrame(strangers.map((meter) => ({ alias: aliasOf(meter), meter })));
    return { bind, frame: encodeBinaryFrame(seq, readings) };
  }
}

/** The JSON of readings and exchanges, in both of its forms. */
export function elementsOf(arrivals: readonly Arrival[]): unknown[] {
  return arrivals.map(({ meter, input }, i) => {
    if (i % 2 === 1 && "value" in input && input.rev === undefined) return [meter, new Date(input.ts).toISOString(), input.value];
    return { meter, ...input };
  });
}

/** Two dataloggers' connections and a third one's posts. Whatever is sent is acked before the promise resolves, and none of it refused. */
export class MixedSender {
  readonly #engine: RunningEngine;
  readonly #token: string;
  readonly #text: Wire;
  readonly #binary: Wire;
  readonly #aliases = new Aliases();
  #seq = 0;

  private constructor(engine: RunningEngine, token: string, text: Wire, binary: Wire) {
    this.#engine = engine;
    this.#token = token;
    this.#text = text;
    this.#binary = binary;
  }

  static async open(engine: RunningEngine, { tokens }: TestTenant): Promise<MixedSender> {
    const open = (name: string) => Wire.open(engine.wsUrl, tokens.ingest, name);
    return new MixedSender(engine, tokens.ingest, await open("in-text"), await open("in-binary"));
  }

  async send(form: Form, arrivals: readonly Arrival[]): Promise<void> {
    if (arrivals.length === 0) return;
    const seq = ++this.#seq;
    if (form === "post") {
      const body = JSON.stringify(elementsOf(arrivals));
      const answer = await ask(this.#engine.url, "/v1/readings?datalogger=in-posts", this.#token, { method: "POST", body });
      assert.deepEqual(answer.body, { accepted: arrivals.length, rejected: [] });
      return;
    }
    const wire = form === "text" ? this.#text : this.#binary;
    if (form === "text") wire.send({ seq, readings: elementsOf(arrivals) });
    else {
      const { bind, frame } = this.#aliases.frames(seq, arrivals);
      if (bind !== null) wire.send(bind);
      wire.send(frame);
    }
    await wire.acked(seq);
    assert.deepEqual(wire.rejected, []);
  }

  close(): void {
    this.#text.close();
    this.#binary.close();
  }
}
