import assert from "node:assert/strict";
import { test } from "node:test";
import { limits } from "../../engine/base/limits.js";
import type { TenantConfig } from "../../engine/config/schema.js";
import { Gateway } from "../../engine/intake/gateway.js";
import { PROTOCOL } from "../../engine/intake/session.js";
import { Shard } from "../../engine/shards/shard.js";

const FRAME = new Uint8Array(limits.maxFrameBytes);

/** A gateway in front of shards that take nothing out of their rings. */
function standing(tenants: readonly string[]) {
  const shard = new Shard(0);
  const limitsOf = { readingsPerSecond: null, connections: 1000, dataloggers: 1000, meters: 1000 };
  const nothing = () => undefined;
  const gateway = new Gateway({
    ...{ ack: "durable" as const, shards: [shard], shardOf: () => shard },
    tenant: (id) => (tenants.includes(id) ? ({ id, weight: 1, limits: limitsOf } as TenantConfig) : undefined),
    identify: ({ authorization }) => ({ tenant: authorization ?? "", role: "ingest", keyId: "k" }),
    ...{ onAck: nothing, onAlert: nothing, onReply: nothing, onReady: nothing, onWarning: nothing },
  });
  const waiting = (tenant: string) => [...shard.lanes].find((lane) => lane.tenant === tenant)?.bytes ?? 0;
  return { gateway, waiting };
}

/** Connects, sends a whole window without waiting for anything, and hangs up. The code of the refusal, if there is one. */
function visit(gateway: Gateway, tenant: string): string | null {
  const query = new URLSearchParams({ datalogger: "d1" });
  const answer = gateway.upgrade({ path: "/v1/stream", query, authorization: tenant, protocols: [PROTOCOL], origin: undefined });
  if (!answer.accept) return (JSON.parse(String(answer.answer.body)) as { error: { code: string } }).error.code;
  answer.handler.open({ send: () => true, unreadBytes: 0, close: () => undefined });
  for (let i = 0; i < limits.maxWindowBytes / FRAME.length; i++) answer.handler.message(FRAME, true);
  answer.handler.closed();
  return null;
}

test("who connects, sends and hangs up again and again fills no more than a lane, and then learns to come later", () => {
  const { gateway, waiting } = standing(["acme", "other"]);
  let visits = 0;
  let refused: string | null = null;
  while (refused === null && visits < 1000) {
    refused = visit(gateway, "acme");
    visits++;
  }
  assert.equal(refused, "lane_full");
  assert.ok(waiting("acme") >= limits.maxLaneBytes && waiting("acme") <= limits.maxLaneBytes + 2 * limits.maxWindowBytes);
  assert.equal(visit(gateway, "other"), null, "another client has its own lane");
});

test("all clients together fill no more than the pool", () => {
  const tenants = Array.from({ length: 8 }, (_, i) => `t${i}`);
  const { gateway, waiting } = standing(tenants);
  const refusals = new Set<string>();
  for (const tenant of tenants) {
    for (let refused: string | null = null; refused === null; ) {
      refused = visit(gateway, tenant);
      if (refused !== null) refusals.add(refused);
    }
  }
  assert.deepEqual([...refusals], ["lane_full", "busy"]);
  const total = tenants.reduce((sum, tenant) => sum + waiting(tenant), 0);
  assert.ok(total >= limits.poolBytes && total <= limits.poolBytes + 2 * limits.maxWindowBytes, `${total} bytes wait`);
});
