import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../support/servers.js";
import { ask, readingsOf } from "./api.js";
import { Stage } from "./stage.js";

const TS = Date.UTC(2026, 0, 1);
const READINGS_PER_SECOND = 30;

/** A frame of `bytes` with one reading. */
function frame(seq: number, bytes: number): string {
  const text = JSON.stringify({ seq, readings: [["windowed", TS + seq * 1000, seq]] });
  return text + " ".repeat(bytes - text.length);
}

test("frames beyond the window and one more end the connection; what waits is not lost, and no other client waits", async (t) => {
  // A client held to a few readings a second has its frames wait, so that none of them is acked meanwhile.
  const stage = await Stage.set("duckdb", { limits: { readingsPerSecond: READINGS_PER_SECOND } });
  t.after(() => stage.clear());
  const spender = await stage.wire("spender");
  spender.send({ seq: 1, readings: Array.from({ length: 60 }, (_, i) => ["spent", TS + i * 1000, i]) });
  await spender.acked(1);

  const wire = await stage.wire("windowed").catch((error: unknown) => assert.fail(`no welcome: ${String(error)}`));
  const { window, maxFrameBytes } = wire.welcome;
  const spending = Array.from({ length: 60 }, (_, i) => ["spent", TS + (60 + i) * 1000, 60 + i]);
  spender.send({ seq: 2, readings: spending });
  await spender.acked(2);
  const frames = Math.floor((window + maxFrameBytes) / maxFrameBytes);
  await stage.amidOther(async () => {
    for (let seq = 1; seq <= frames; seq++) wire.send(frame(seq, maxFrameBytes));
    wire.send(frame(frames + 1, maxFrameBytes));
    const { message, ...end } = await wire.ended();
    assert.deepEqual(end, { code: 1008, reason: "over_window", error: "over_window" });
    assert.match(message, new RegExp(String(window)));
    assert.deepEqual(wire.acks, [], "nothing was acked, so the window was full");

    const refused = await ask(stage.engine.url, "/v1/readings?datalogger=poster", stage.acme.tokens.ingest, {
      method: "POST",
      body: JSON.stringify([["posted", TS, 1]]),
    });
    assert.deepEqual([refused.status, refused.code], [429, "rate_limit"]);
    const retryAfter = Number(refused.headers.get("retry-after"));
    assert.ok(retryAfter >= 1 && retryAfter <= 12, `Retry-After: ${retryAfter}`);
  });
  await stage.otherStored();

  // The frames within the window were sent, so they are taken as the client's allowance lets them.
  await until("the frames that waited are stored", 30_000, async () => {
    return (await readingsOf(stage.engine.url, stage.acme.tokens.read, "windowed")).length === frames;
  });
  const again = await stage.wire("windowed");
  assert.equal(again.welcome.lastSeq, frames);
});
