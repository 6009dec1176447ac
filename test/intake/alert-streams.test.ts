import assert from "node:assert/strict";
import { test } from "node:test";
import type { Identity } from "../../engine/config/keys.js";
import { AlertStreams } from "../../engine/intake/alert-streams.js";

function reader(streams: AlertStreams, tenant: string) {
  const heard: string[] = [];
  const closed: [number, string][] = [];
  const state = { unreadBytes: 0, closes: true };
  const query = new URLSearchParams();
  const asked = { path: "/v1/alerts/stream", query, authorization: tenant, protocols: ["meterstorm.v1"], origin: undefined };
  const answer = streams.upgrade(asked);
  if (!answer.accept) return { status: answer.answer.status, heard, closed, state };
  answer.handler.open({
    send: (text) => heard.push(text) > 0,
    get unreadBytes() {
      return state.unreadBytes;
    },
    close: (code, reason) => {
      closed.push([code, reason]);
      if (state.closes) answer.handler.closed();
    },
  });
  return { status: 101, heard, closed, state, leave: () => answer.handler.closed() };
}

function streamsFor(role: Identity["role"] = "read"): AlertStreams {
  const identify = ({ authorization = "" }) => (authorization === "" ? null : { tenant: authorization, role, keyId: "k" });
  return new AlertStreams({ identify, isDraining: () => false });
}

test("each reader hears its own client's transitions; one that does not keep up is closed and told so, the others go on", () => {
  const streams = streamsFor();
  const quick = reader(streams, "acme");
  const slow = reader(streams, "acme");
  const other = reader(streams, "other");
  streams.tell("acme", "1");
  slow.state.unreadBytes = 256 * 1024;
  streams.tell("acme", "2");
  slow.state.unreadBytes++;
  // The close of a connection that takes nothing can last; it must not be told anything meanwhile.
  slow.state.closes = false;
  streams.tell("acme", "3");
  streams.tell("acme", "4");
  streams.tell("other", "5");
  assert.deepEqual([quick.heard, slow.heard, other.heard], [["1", "2", "3", "4"], ["1", "2"], ["5"]]);
  assert.equal(slow.closed.length, 1);
  assert.equal(slow.closed[0]![0], 1013);
  assert.match(slow.closed[0]![1], /^too_slow: /);
  assert.ok(Buffer.byteLength(slow.closed[0]![1]) <= 123, "a close frame holds no longer reason");
  assert.equal(streams.tooSlow, 1);
  assert.deepEqual(streams.counts, [
    ["acme", 1],
    ["other", 1],
  ]);
});

test("nobody, and who may only send, hears nothing; a client has at most 100 readers", () => {
  assert.equal(reader(streamsFor(), "").status, 401);
  assert.equal(reader(streamsFor("ingest"), "acme").status, 403);
  const streams = streamsFor();
  const readers = Array.from({ length: 100 }, () => reader(streams, "acme"));
  assert.equal(reader(streams, "acme").status, 429);
  readers[0]!.leave?.();
  assert.equal(reader(streams, "acme").status, 101);
});

test("readers of a key that is gone are closed with the reason", () => {
  const streams = streamsFor();
  const acme = reader(streams, "acme");
  const other = reader(streams, "other");
  streams.closeWhere(({ tenant }) => (tenant === "acme" ? "tenant_removed" : null));
  streams.tell("acme", "1");
  assert.deepEqual([acme.heard, acme.closed, other.closed], [[], [[1008, "tenant_removed"]], []]);
});
