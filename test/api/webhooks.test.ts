import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { runWebhooksList, runWebhooksResend, type WebhooksArguments } from "../../engine/commands/webhooks.js";
import { ask } from "../end-to-end/api.js";
import { Wire } from "../end-to-end/wire.js";
import { Receiver } from "../notify/receiver.js";
import { createTenant, startEngineProcess } from "../support/engine.js";
import { until } from "../support/servers.js";

const TS = Date.UTC(2026, 0, 1);
const WITHIN_MS = 20_000;
const SECRET = "what both sides know";
const main = fileURLToPath(new URL("../../engine/main.js", import.meta.url));

interface Ran {
  code: number;
  out: string[];
  err: string[];
}

async function run(command: typeof runWebhooksList, given: WebhooksArguments): Promise<Ran> {
  const [out, err]: [string[], string[]] = [[], []];
  const io = { out: (line: string) => out.push(line), err: (line: string) => err.push(line) };
  const code = await command(given, io);
  return { code, out, err };
}

test("an admin sees what webhooks did not take and lets it be sent again, over HTTP or by the command, over a crash", async (t) => {
  const receiver = await Receiver.start();
  t.after(() => receiver.stop());
  receiver.answer = (_, response) => response.writeHead(503).end();
  const rules = [{ id: "load", on: "value", op: ">", threshold: 10 }];
  const acme = createTenant("acme", { meters: [{ match: "*", kind: "gauge", decimals: 1 }], rules });
  const other = createTenant("other");
  const tokened = `${receiver.url}&token=hidden`;
  const hooks = (...urls: string[]) => ({
    shards: 1,
    tenants: [{ ...acme.config, webhooks: urls.map((url) => ({ url, secret: SECRET, allowPrivate: true })) }, other.config],
  });
  let engine = await startEngineProcess({ config: hooks(tokened) });
  t.after(() => engine.kill9());
  await engine.ready();
  const wire = await Wire.open(engine.wsUrl, acme.tokens.ingest, "dl");
  wire.send({ seq: 1, readings: [20, 1].map((value, i) => ["m1", TS + i * 1000, value]) });
  await wire.acked(1);
  wire.close();
  const list = async (): Promise<Record<string, unknown>[]> => {
    const { status, body } = await ask(engine.url, "/v1/webhooks", acme.tokens.admin);
    assert.equal(status, 200, JSON.stringify(body));
    assert.ok(!/hidden|what both|hook\?/.test(JSON.stringify(body)), JSON.stringify(body));
    return body as Record<string, unknown>[];
  };
  const address = `http://127.0.0.1:${receiver.port}`;

  await until("the webhook has failed", WITHIN_MS, async () => (await list())[0]!["failure"] !== null);
  const [failing] = await list();
  const { webhook, oldest, attempts, nextAttempt, ...rest } = failing!;
  assert.match(String(webhook), /^[0-9a-f]{16}$/);
  assert.ok(Number(attempts) >= 1 && Date.parse(String(oldest)) <= Date.now() && Date.parse(String(nextAttempt)) > 0);
  assert.deepEqual(rest, {
    ...{ url: `${address}/…`, position: 0, waiting: 2, failure: "it answered 503", deadLetters: 0, heldBack: 0 },
  });

  const { tokens } = acme;
  for (const [path, token, init, status] of [
    ["", tokens.read, {}, 403],
    ["", tokens.ingest, {}, 403],
    ["", null, {}, 401],
    ["", tokens.admin, { method: "POST" }, 405],
    ["/redeliver", tokens.admin, {}, 405],
    ["/redeliver", tokens.read, { method: "POST" }, 403],
    ["/redeliver?webhook=none", tokens.admin, { method: "POST" }, 404],
    [`/redeliver?webhook=${webhook}`, other.tokens.admin, { method: "POST" }, 404],
    ["/other", tokens.admin, {}, 404],
  ] as const) {
    const answer = await ask(engine.url, `/v1/webhooks${path}`, token, init);
    assert.equal(answer.status, status, `${path}: ${JSON.stringify(answer.body)}`);
  }

  assert.match(await engine.reread(hooks()), /is in force/);
  await until("they are dead letters", WITHIN_MS, async () => (await list())[0]?.["deadLetters"] === 2);
  assert.equal((await list())[0]!["position"], null);
  const given = { url: engine.wsUrl, token: tokens.admin };
  const gone = await run(runWebhooksResend, given);
  assert.deepEqual(gone, {
    ...{ code: 0, err: [] },
    out: [
      "acme: 0 dead letters to be sent again, 2 left",
      `${webhook}, not configured ${address}: 2 dead letters left; configure it again first`,
    ],
  });

  assert.match(await engine.reread(hooks("http://127.0.0.1:1/", tokened)), /is in force/);
  const shown = await run(runWebhooksList, given);
  assert.deepEqual([shown.code, shown.err, shown.out[0]], [0, [], "acme: 2 webhooks"]);
  assert.match(shown.out[2]!, /^webhook +place +address +waiting +since \(UTC\) +dead letters +held back +last failure$/);
  assert.match(shown.out[4]!, new RegExp(`^${webhook} +webhooks\\[1\\] +${address}/… +0 +2 +0$`));
  const { status, body } = await ask(engine.url, "/v1/webhooks/redeliver", tokens.admin, { method: "POST" });
  const { webhooks, ...sums } = body as { webhooks: object[] };
  assert.deepEqual([status, sums], [200, { redelivered: 2, left: 0 }]);
  assert.deepEqual(webhooks[1], { webhook, url: `${address}/…`, position: 1, redelivered: 2, left: 0 });

  const file = hooks("http://127.0.0.1:1/", tokened);
  const had = new Set(receiver.keys);
  await engine.kill9();
  const before = receiver.received.length;
  receiver.answer = (_, response) => response.writeHead(204).end();
  engine = await startEngineProcess({ config: { ...file, dataDir: engine.dataDir } });
  await engine.ready();
  await until("both have come", WITHIN_MS, () => new Set(receiver.keys.slice(before)).size === 2);
  for (const key of had) assert.ok(receiver.keys.slice(before).includes(key), "under the key that it had");
  const none = spawnSync(process.execPath, [main, "webhooks", "resend", "--url", engine.url, "--tenant", "acme"], {
    ...{ encoding: "utf8", timeout: 60_000, env: { ...process.env, METERSTORM_TOKEN: tokens.admin } },
  });
  assert.deepEqual([none.status, none.stdout, none.stderr], [0, "acme has no dead letters\n", ""]);
  assert.equal(await engine.stop(), 0);
});

test("what a command cannot do is said in words, with a code and the exit code that the help names", async () => {
  const url = "http://127.0.0.1:1";
  const cases: [WebhooksArguments, number, RegExp][] = [
    [{ url, token: "acme.k.secret", tenant: "other" }, 1, /^webhooks_options: the token is of the client "acme"/],
    [{ url: "nowhere", token: "acme.k.secret" }, 1, /^webhooks_options: --url is "nowhere"; give the engine's address/],
    [{ url, token: "acme.k.secret" }, 2, /^unreachable: http:\/\/127\.0\.0\.1:1 did not answer as an engine does/],
  ];
  for (const [given, expected, message] of cases) {
    for (const command of [runWebhooksList, runWebhooksResend]) {
      const { code, out, err } = await run(command, given);
      assert.deepEqual([code, out, err.length], [expected, [], 1]);
      assert.match(err[0]!, message);
      assert.ok(!err[0]!.includes("secret"), err[0]);
    }
  }
  const help = spawnSync(process.execPath, [main, "webhooks", "resend", "--help"], { encoding: "utf8" });
  assert.match(help.stdout, /Exit code: 0; 1 when .*Examples:\n {2}meterstorm webhooks resend --token/s);
});

test("a resend for which there is no room for all ends with 3", async () => {
  const answer = {
    ...{ redelivered: 1, left: 4 },
    webhooks: [{ webhook: "00000000000000aa", url: "https://a.example", position: 0, redelivered: 1, left: 4 }],
  };
  const receiver = await Receiver.start();
  receiver.answer = (_, response) => response.end(JSON.stringify(answer));
  const { code, out } = await run(runWebhooksResend, { url: `http://127.0.0.1:${receiver.port}`, token: "acme.k.secret" });
  await receiver.stop();
  assert.equal(code, 3);
  assert.deepEqual(out, [
    "acme: 1 dead letter to be sent again, 4 left",
    "00000000000000aa, webhooks[0] https://a.example: 1 dead letter to be sent again",
    "00000000000000aa, webhooks[0] https://a.example: 4 dead letters left; too many wait already, give this command again later",
  ]);
  assert.equal(receiver.received[0]!.path, "/v1/webhooks/redeliver");
});
