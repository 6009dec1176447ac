import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { createTenant, type RunningEngine, startEngineProcess } from "../support/engine.js";
import type { Random } from "../support/random.js";
import { mutateBytes } from "./mutate.js";
import { HOSTILE_TEXTS, mutateJson } from "./mutate-json.js";
import { reported, seedOfRun, timeFor } from "./reported.js";
import { fuzz } from "./rounds.js";
import { TEXT_FRAMES } from "./seed-frames.js";
import { bytesOf, type Target } from "./target.js";

/** What the engine may come to hold more than before all of it. */
const GROWTH_BYTES = 600 * 1024 * 1024;
const tenant = createTenant("acme", { rules: [{ id: "high", meters: "*", on: "value", op: ">", threshold: 1e6 }] });
const admin = `Bearer ${tenant.tokens.admin}`;
let engine: RunningEngine;
let bytesBefore = 0;

function residentBytes(): number {
  const pages = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${engine.pid}/status`, "utf8"));
  return Number(pages?.[1] ?? 0) * 1024;
}

before(async () => {
  engine = await startEngineProcess({ config: { tenants: [tenant.config] } });
  await engine.ready();
  bytesBefore = residentBytes();
});
after(() => engine.kill9());

/** Sends bytes as they are, and closes; what was answered. The engine may end the connection wherever it likes, and no later than this one would. */
async function exchange(request: Uint8Array): Promise<string> {
  const socket = connect(Number(new URL(engine.url).port), "127.0.0.1");
  const parts: Buffer[] = [];
  socket.on("data", (part) => {
    parts.push(part);
    // Whoever waits for the rest of a request is left alone once it has answered.
    if (Buffer.concat(parts).includes("\r\n\r\n")) socket.end();
  });
  socket.on("error", () => undefined);
  socket.setTimeout(400, () => socket.destroy());
  socket.write(request);
  await once(socket, "close");
  return Buffer.concat(parts).toString("latin1");
}

/** A refusal has a status that is meant for it, and words. Nothing is ever answered by the engine's own failure. */
function assertAnswer(answer: string): void {
  if (answer === "") return;
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(answer)?.[1] ?? 0);
  assert.ok(status >= 100 && status < 500 && status !== 0, answer.slice(0, 600));
  assert.equal(engine.ended(), null, "the engine has ended");
}

function request(method: string, path: string, body: Uint8Array, headers = `authorization: ${admin}`): Uint8Array {
  const head = `${method} ${path} HTTP/1.1\r\nhost: x\r\n${headers}\r\ncontent-length: ${body.length}\r\n\r\n`;
  return new Uint8Array(Buffer.concat([Buffer.from(head, "latin1"), body]));
}

const NO_BODY = new Uint8Array(0);
const BODIES = ["POST /v1/readings?datalogger=d1", "PUT /v1/rules/high", "POST /v1/tickets", "POST /v1/webhooks/none/redeliver"];
const rule = '{"meters":"*","on":"value","op":">","threshold":1000000,"for":"1m","severity":"info"}';

const bodies: Target = {
  name: "http-bodies",
  seeds: [...TEXT_FRAMES, rule, "[]", "{}"].map(bytesOf),
  mutate: mutateJson,
  async run(input) {
    for (const line of BODIES) {
      const [method = "", path = ""] = line.split(" ");
      const answer = await exchange(request(method, path, input));
      assert.notEqual(answer, "", `no answer to ${line}`);
      assertAnswer(answer);
    }
  },
};

const plainly = bytesOf("");
const headers: Target = {
  name: "http-headers",
  seeds: [
    request("GET", "/v1/meters", plainly),
    request("POST", "/v1/readings?datalogger=d", bytesOf("[]"), `authorization: ${admin}\r\ntransfer-encoding: chunked`),
    request(
      "GET",
      "/v1/stream?datalogger=d",
      plainly,
      `authorization: ${admin}\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-protocol: meterstorm.v1, ticket.x`,
    ),
    bytesOf(`GET / HTTP/1.1\r\nhost: x\r\n${"a: b\r\n".repeat(300)}\r\n`),
  ],
  mutate: mutateBytes,
  async run(input) {
    const answer = await exchange(input);
    // What is no HTTP is answered by the transport, in its own words.
    if (!/^HTTP\/1\.1 (400|431|505)/.test(answer)) assertAnswer(answer);
  },
};

const PATHS = [
  "meters",
  "meters/m1",
  "meters/m1/readings",
  "meters/m1/consumption",
  "meters/m1/explain",
  "alerts",
  "rules",
  "webhooks",
];
const queries: Target = {
  name: "http-queries",
  seeds: [
    "from=2026-01-01T00:00:00Z&to=1767225600001&limit=5&cursor=",
    "period=day&ts=2026-01-01",
    "q=m&limit=2&cursor=bTE",
    "state=firing&meter=m1&rule=high",
    "rule=h\0",
    "cursor=YQBi",
  ].map(bytesOf),
  mutate: (random: Random, seeds) => {
    const text = random.chance(0.4)
      ? bytesOf(`ts=1&q=${random.pick(HOSTILE_TEXTS)}&cursor=${random.pick(HOSTILE_TEXTS)}`)
      : mutateBytes(random, seeds);
    return text.slice(0, 2000);
  },
  async run(input) {
    // As an address may carry it: whatever is neither a letter nor a sign of the query is written with its number.
    const query = [...input]
      .map((byte) =>
        /[\w=&%+.:-]/.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : `%${byte.toString(16).padStart(2, "0")}`,
      )
      .join("");
    for (const path of PATHS) {
      const answer = await exchange(request("GET", `/v1/${path}?${query}`, NO_BODY));
      assert.notEqual(answer, "", `no answer to ${path}`);
      assertAnswer(answer);
      assert.match(answer, /\r\ncontent-type: application\/json/i);
    }
  },
};

for (const [target, ms] of [
  [bodies, 3000],
  [headers, 3000],
  [queries, 3000],
] as const) {
  test(`whatever comes, the engine goes on: ${target.name}`, { timeout: 30_000 + 2 * timeFor(ms) }, async (t) => {
    const outcome = await fuzz(target, { seed: seedOfRun, forMs: timeFor(ms), nowMs: () => performance.now() });
    reported(outcome, (line) => t.diagnostic(line));
    assert.equal((await fetch(`${engine.url}/healthz`)).status, 200);
    assert.doesNotMatch(engine.logs(), /"level":(50|60)/, "the engine has logged a failure");
    assert.ok(residentBytes() - bytesBefore < GROWTH_BYTES, `the engine has grown to ${residentBytes()} bytes`);
  });
}
