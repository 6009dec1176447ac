import assert from "node:assert/strict";
import { createServer, type Server, type Socket } from "node:net";
import { after, describe, it } from "node:test";
import { type Answer, type EndpointOptions, HttpEndpoint, type Message } from "../../engine/notify/endpoint.js";
import { freePorts, until } from "../support/servers.js";
import { Receiver } from "./receiver.js";

const MESSAGE: Message = {
  key: "0123456789abcdef-firing-critical-1767225600000",
  body: '{"key":"k","meter":"ä"}',
  seconds: 1_767_225_600,
};
const QUICK: EndpointOptions = { connectMs: 300, wholeMs: 400, bodyMs: 200 };

function endpointFor(url: string, options: EndpointOptions = QUICK, allowPrivate = true): HttpEndpoint {
  return new HttpEndpoint({ url, secret: "a secret", allowPrivate, perMinute: 60 }, options);
}

/** One message to a fresh endpoint. */
async function sendTo(url: string, options?: EndpointOptions, allowPrivate?: boolean): Promise<Answer> {
  const endpoint = endpointFor(url, options, allowPrivate);
  const answer = await endpoint.send(MESSAGE);
  endpoint.close();
  return answer;
}

function failure(answer: Answer): Answer & { ok: false } {
  assert.ok(!answer.ok, "it counts as delivered");
  return answer;
}

const servers: { close(): void }[] = [];
after(() => {
  for (const server of servers) server.close();
});

/** A server that does with each connection, or with each of its first bytes, what it is told. */
async function rawServer(
  onConnection: (socket: Socket) => void,
  onData: (socket: Socket) => void = () => undefined,
): Promise<string> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    onConnection(socket);
    socket.once("data", () => onData(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  servers.push({
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  });
  return `127.0.0.1:${(server.address() as { port: number }).port}`;
}

describe("a message is posted", () => {
  it("with its headers, and its body as it is", async () => {
    const receiver = await Receiver.start();
    assert.deepEqual(await sendTo(receiver.url), { ok: true });
    const [request] = receiver.received;
    assert.equal(request!.method, "POST");
    assert.equal(request!.path, "/hook?for=me");
    assert.equal(request!.body, MESSAGE.body);
    assert.equal(request!.headers["content-type"], "application/json");
    assert.equal(request!.headers["content-length"], String(Buffer.byteLength(MESSAGE.body)));
    assert.match(request!.headers["user-agent"]!, /^meterstorm\/\d+\.\d+\.\d+$/);
    assert.equal(request!.headers["idempotency-key"], MESSAGE.key);
    assert.match(String(request!.headers["meterstorm-signature"]), /^t=1767225600,v1=[0-9a-f]{64}$/);
    await receiver.stop();
  });

  it("over one connection as long as it lives, and once more where the other side closed it just then", async () => {
    const receiver = await Receiver.start();
    const endpoint = endpointFor(receiver.url);
    for (let i = 0; i < 5; i++) assert.deepEqual(await endpoint.send(MESSAGE), { ok: true });
    assert.equal(receiver.connections, 1);
    receiver.answer = (request, response) => (receiver.connections === 1 ? request.socket.destroy() : response.end());
    assert.deepEqual(await endpoint.send(MESSAGE), { ok: true });
    assert.equal(receiver.connections, 2);
    endpoint.close();
    await until("no connection is left", 2000, async () => (await receiver.openConnections()) === 0);
    assert.equal(failure(await endpoint.send(MESSAGE)).reason, "given up");
    await receiver.stop();
  });

  it("and any 2xx means that it is delivered", async () => {
    const receiver = await Receiver.start();
    for (const status of [200, 201, 202, 204, 299]) {
      receiver.answer = (_, response) => response.writeHead(status).end();
      assert.deepEqual(await sendTo(receiver.url), { ok: true }, String(status));
    }
    await receiver.stop();
  });
});

describe("a failure says what it was", () => {
  it("refusals apart from what passes by itself, with what Retry-After asks for", async () => {
    const receiver = await Receiver.start();
    const answerWith = async (status: number, headers: Record<string, string> = {}) => {
      receiver.answer = (_, response) => response.writeHead(status, headers).end("no");
      const { refused, reason, retryAfterMs } = failure(await sendTo(receiver.url));
      assert.match(reason, new RegExp(`it answered ${status}`));
      return { refused, retryAfterMs };
    };
    for (const status of [400, 401, 403, 404, 410, 422])
      assert.deepEqual(await answerWith(status), { refused: true, retryAfterMs: null }, String(status));
    for (const status of [408, 425, 429, 500, 502, 503])
      assert.deepEqual(await answerWith(status), { refused: false, retryAfterMs: null }, String(status));
    assert.equal((await answerWith(429, { "retry-after": "120" })).retryAfterMs, 120_000);
    assert.equal((await answerWith(503, { "retry-after": "soon" })).retryAfterMs, null);
    const dated = (await answerWith(503, { "retry-after": new Date(Date.now() + 60_000).toUTCString() })).retryAfterMs!;
    assert.ok(dated > 50_000 && dated <= 60_000, String(dated));
    await receiver.stop();
  });

  it("a redirect, which is not followed", async () => {
    const elsewhere = await Receiver.start();
    const receiver = await Receiver.start();
    for (const status of [301, 302, 303, 307, 308]) {
      receiver.answer = (_, response) => response.writeHead(status, { location: elsewhere.url }).end();
      assert.match(failure(await sendTo(receiver.url)).reason, new RegExp(`^it answered ${status}: redirects are not followed`));
    }
    assert.equal(elsewhere.connections, 0);
    await Promise.all([receiver.stop(), elsewhere.stop()]);
  });

  it("a closed port", async () => {
    const [port] = await freePorts(1);
    assert.match(failure(await sendTo(`http://127.0.0.1:${port}/`)).reason, /ECONNREFUSED/);
  });

  it("an address that is no http", async () => {
    assert.match(failure(await sendTo("ftp://127.0.0.1/")).reason, /ftp: is not http: or https:/);
  });

  it("a server that never answers, within the time for the whole", async () => {
    const receiver = await Receiver.start();
    receiver.answer = () => undefined;
    assert.equal(failure(await sendTo(receiver.url)).reason, "no answer within 400 ms");
    await until("no connection is left", 2000, async () => (await receiver.openConnections()) === 0);
    await receiver.stop();
  });

  it("headers that drip in for ever", async () => {
    const host = await rawServer(
      () => undefined,
      (socket) => {
        socket.write("HTTP/1.1 200 OK\r\n");
        const drip = setInterval(() => socket.write("x: y\r\n"), 50);
        socket.once("close", () => clearInterval(drip));
      },
    );
    assert.equal(failure(await sendTo(`http://${host}/`)).reason, "no answer within 400 ms");
  });

  it("a name whose servers do not answer, and TLS that nobody speaks", async () => {
    const silent = (): Promise<string[]> => new Promise(() => undefined);
    assert.equal(
      failure(await sendTo("http://slow.example/", { ...QUICK, resolve: silent })).reason,
      "no connection within 300 ms",
    );
    const host = await rawServer(() => undefined);
    assert.equal(failure(await sendTo(`https://${host}/`)).reason, "no connection within 300 ms");
  });

  it("a connection that is closed at once, or before the answer is whole, and an answer that is garbage", async () => {
    const closing = await rawServer((socket) => socket.destroy());
    assert.match(failure(await sendTo(`http://${closing}/`)).reason, /ECONNRESET|socket hang up|EPIPE/);
    const ending = await rawServer(
      () => undefined,
      (socket) => socket.end("HTTP/1.1 20"),
    );
    assert.equal(failure(await sendTo(`http://${ending}/`)).refused, false);
    const garbage = await rawServer(
      () => undefined,
      (socket) => socket.end("SSH-2.0-OpenSSH_9.2p1\r\n\r\n"),
    );
    assert.match(failure(await sendTo(`http://${garbage}/`)).reason, /HPE_/);
    const switching = await rawServer(
      () => undefined,
      (socket) => socket.write("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"),
    );
    assert.match(failure(await sendTo(`http://${switching}/`)).reason, /without an answer|hang up/);
    const endless = await rawServer(
      () => undefined,
      (socket) => socket.write(`HTTP/1.1 200 OK\r\nx: ${"y".repeat(200_000)}\r\n\r\n`),
    );
    assert.match(failure(await sendTo(`http://${endless}/`)).reason, /HPE_HEADER_OVERFLOW/);
  });
});

describe("an answer's body", () => {
  it("that has no end is cut off, and so is one that drips; the status is what counts", async () => {
    const receiver = await Receiver.start();
    let sent = 0;
    receiver.answer = (_, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write("x".repeat(16_384))) sent += 16_384;
        if (!response.destroyed) response.once("drain", more);
      };
      more();
    };
    assert.deepEqual(await sendTo(receiver.url), { ok: true });
    assert.ok(sent < 16 * 1024 * 1024, `${sent} bytes were taken`);
    receiver.answer = (_, response) => {
      response.writeHead(200);
      const drip = setInterval(() => response.write("x"), 20);
      response.once("close", () => clearInterval(drip));
    };
    const begun = performance.now();
    assert.deepEqual(await sendTo(receiver.url), { ok: true });
    assert.ok(performance.now() - begun < 2000);
    await until("no connection is left", 2000, async () => (await receiver.openConnections()) === 0);
    await receiver.stop();
  });
});

describe("targets", () => {
  it("on this machine and in private networks are refused before a connection, however they are written", async () => {
    const receiver = await Receiver.start();
    const { port } = receiver;
    const hosts = [
      "127.0.0.1",
      "2130706433",
      "0x7f.1",
      "127.1",
      "[::1]",
      "[::ffff:127.0.0.1]",
      "[::ffff:7f00:1]",
      "[64:ff9b::7f00:1]",
    ];
    for (const host of [...hosts, "0.0.0.0", "[::]", "10.0.0.1", "169.254.169.254", "localhost"]) {
      const { reason } = failure(await sendTo(`http://${host}:${port}/`, QUICK, false));
      assert.match(reason, /Webhooks go to public hosts; set "allowPrivate"/, `${host}: ${reason}`);
    }
    assert.equal(receiver.connections, 0);
    assert.deepEqual(await sendTo(`http://localhost:${port}/`), { ok: true });
    await receiver.stop();
  });

  it("are connected to at the address that was checked: a name that changes its answer gains nothing", async () => {
    const receiver = await Receiver.start();
    let asked = 0;
    const answers = [["192.0.2.1", "127.0.0.1"], ["::ffff:127.0.0.1"], ["10.0.0.1"]];
    const resolve = (): Promise<string[]> => Promise.resolve(answers[asked++] ?? ["127.0.0.1"]);
    const endpoint = endpointFor(`http://rebind.example:${receiver.port}/`, { ...QUICK, resolve }, false);
    for (let attempt = 1; attempt <= 4; attempt++) {
      assert.match(failure(await endpoint.send(MESSAGE)).reason, /^rebind\.example leads to /);
      assert.equal(asked, attempt, "a name is asked for once an attempt");
    }
    endpoint.close();
    assert.equal(receiver.connections, 0);
    await receiver.stop();
  });

  it("with several addresses are reached at the one that answers", async () => {
    const receiver = await Receiver.start();
    const resolve = (): Promise<string[]> => Promise.resolve(["127.0.0.2", "::1", "127.0.0.1"]);
    assert.deepEqual(await sendTo(`http://both.example:${receiver.port}/`, { ...QUICK, resolve }), { ok: true });
    await receiver.stop();
  });

  it("are given up when the endpoint is closed, with nothing left open", async () => {
    const receiver = await Receiver.start();
    receiver.answer = () => undefined;
    const endpoint = endpointFor(receiver.url, { connectMs: 60_000, wholeMs: 60_000 });
    const sending = endpoint.send(MESSAGE);
    await until("it has come", 2000, () => receiver.received.length === 1);
    endpoint.close();
    assert.equal((await sending).ok, false);
    await until("no connection is left", 2000, async () => (await receiver.openConnections()) === 0);
    await receiver.stop();
  });
});
