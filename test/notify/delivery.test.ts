import assert from "node:assert/strict";
import { createServer } from "node:net";
import test from "node:test";
import type { AlertTransition } from "../../engine/base/alert-transition.js";
import { HttpEndpoint } from "../../engine/notify/endpoint.js";
import { Notifier } from "../../engine/notify/notifier.js";
import type { Webhook } from "../../engine/notify/transition.js";
import { freePorts, temporaryDirectory, until } from "../support/servers.js";
import { documentedCheck } from "./docs.js";
import { Lines, transition } from "./fake-endpoint.js";
import { type Answering, Receiver } from "./receiver.js";

const COUNT = 60;
const SECRET = "a secret of the receivers";

function hook(url: string): Webhook {
  return { url, secret: SECRET, allowPrivate: true, perMinute: 6000 };
}

const told = (tenant: string): AlertTransition[] =>
  Array.from({ length: COUNT }, (_, n) => transition(n, { tenant, meter: `Zähler-${n % 7}`, value: n % 5 === 0 ? null : n / 8 }));

/** How receivers behave until they are put right. */
const TROUBLES: Record<string, () => Answering> = {
  slow: () => (_, response) => void setTimeout(() => response.end(), 60),
  failing: () => (_, response) => response.writeHead(500).end("no"),
  "failing now and then": () => {
    let n = 0;
    return (_, response) => response.writeHead(n++ % 3 === 0 ? 503 : 204).end();
  },
  refusing: () => (_, response) => response.writeHead(401).end(),
  redirecting: () => (_, response) => response.writeHead(307, { location: "http://127.0.0.1:1/" }).end(),
  hanging: () => () => undefined,
  "hanging up": () => (request) => request.socket.destroy(),
  "answering garbage": () => (request) => request.socket.end("220 smtp.example ESMTP\r\n"),
  "answering without end": () => (_, response) => {
    response.writeHead(200);
    const more = (): void => {
      while (!response.destroyed && response.write("x".repeat(65_536)));
      if (!response.destroyed) response.once("drain", more);
    };
    more();
  },
};

/** A TCP server that takes connections and says nothing. */
async function silentServer(): Promise<{ port: number; close(): void }> {
  const server = createServer(() => undefined).unref();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: (server.address() as { port: number }).port, close: () => server.close() };
}

async function open(directory: string, hooks: Record<string, Webhook[]>, log: Lines): Promise<Notifier> {
  const notifier = new Notifier({
    ...{ directory, log, webhooks: (tenant) => hooks[tenant] ?? [] },
    timing: { firstRetryMs: 20, lastRetryMs: 100 },
    endpoint: (webhook) => new HttpEndpoint(webhook, { connectMs: 250, wholeMs: 250, bodyMs: 50 }),
  });
  await notifier.open();
  return notifier;
}

/** What receivers got is what was told, signed; and no connection is left. */
async function assertGenuine(receivers: readonly Receiver[], transitions: readonly AlertTransition[]): Promise<void> {
  const isGenuine = await documentedCheck();
  const bodies = new Map(transitions.map((each) => [each.key, JSON.stringify({ ...each, heldBack: 0 })]));
  for (const receiver of receivers) {
    for (const { headers, body, seconds } of receiver.received) {
      assert.equal(body, bodies.get(String(headers["idempotency-key"])));
      assert.equal(isGenuine(SECRET, String(headers["meterstorm-signature"]), body, seconds), true);
    }
    await until("no connection is left open", 5000, async () => (await receiver.openConnections()) === 0);
    await receiver.stop();
  }
}

/** The first arrival of each key. */
function firsts(keys: readonly string[]): string[] {
  return [...new Set(keys)];
}

test("slow, failing, closed, redirecting and hanging receivers lose nothing, and hold up nobody but themselves", {
  timeout: 60_000,
}, async () => {
  const receivers = new Map<string, Receiver>();
  for (const [name, trouble] of Object.entries(TROUBLES)) {
    const receiver = await Receiver.start();
    receiver.answer = trouble();
    receivers.set(name, receiver);
  }
  const [good, neighbour] = [await Receiver.start(), await Receiver.start()];
  const [closedPort] = await freePorts(1);
  const silent = await silentServer();
  const hooks: Record<string, Webhook[]> = {
    acme: [
      ...[...receivers.values()].map(({ url }) => hook(url)),
      ...[hook(`http://127.0.0.1:${closedPort}/hook`), hook(`https://127.0.0.1:${silent.port}/`), hook(good.url)],
    ],
    neighbour: [hook(neighbour.url)],
  };
  const log = new Lines();
  const directory = `${temporaryDirectory("notify")}/notify`;
  const [acme, other] = [told("acme"), told("neighbour").map((each) => ({ ...each, key: `n-${each.key}` }))];
  let notifier = await open(directory, hooks, log);
  await Promise.all([...acme, ...other].map((each) => notifier.take(each)));
  await until("receivers in order have everything", 10_000, () => good.received.length + neighbour.received.length === 2 * COUNT);
  assert.deepEqual(
    good.keys,
    acme.map(({ key }) => key),
  );
  assert.deepEqual(
    neighbour.keys,
    other.map(({ key }) => key),
  );
  for (const name of ["failing", "refusing", "redirecting", "hanging"]) {
    assert.deepEqual(firsts(receivers.get(name)!.keys), [acme[0]!.key], `a ${name} receiver is sent the first alone`);
  }

  // Ends and starts while nothing works: what waits goes on, and what was delivered does not come again.
  for (let restart = 0; restart < 2; restart++) {
    await notifier.close(500);
    notifier = await open(directory, hooks, log);
    await Promise.all(acme.slice(-5).map((each) => notifier.take(each)));
  }
  assert.equal(good.received.length, COUNT);
  const late = await Receiver.start(closedPort);
  receivers.set("closed", late);
  for (const receiver of receivers.values()) receiver.answer = (_, response) => response.end();
  hooks["acme"] = hooks["acme"]!.filter(({ url }) => !url.startsWith("https:"));
  notifier.configure();
  for (const [name, receiver] of receivers) {
    await until(`the receiver that was ${name} has everything`, 20_000, () => firsts(receiver.keys).length === COUNT);
    assert.deepEqual(
      firsts(receiver.keys),
      acme.map(({ key }) => key),
      name,
    );
  }
  const { acme: stats } = notifier.stats().tenants;
  assert.equal(stats!.waiting, 0);
  assert.equal(stats!.deadLetters, COUNT, "of the webhook that was taken out of the configuration");
  await notifier.close(500);

  await assertGenuine([...receivers.values(), good], acme);
  await neighbour.stop();
  silent.close();
  assert.ok(!log.lines.some((line) => line.includes("/hook")), "no path of a webhook is in the log");
});
