import uws from "uWebSockets.js";
import { STATUS_CODES } from "node:http";
import { MeterstormError } from "../base/errors.js";
import { limits } from "../base/limits.js";
import {
  type Connection,
  type ConnectionHandler,
  errorAnswer,
  type HttpAnswer,
  type NetworkHandlers,
  type NetworkServer,
  type UpgradeRequest,
} from "./network.js";

/** Seconds without a byte before a connection is given up; the server pings before that. */
const IDLE_TIMEOUT_S = 120;
/** Acks that a client leaves unread before it is cut off. */
const MAX_UNREAD_BYTES = 1024 * 1024;

interface SocketData {
  handler: ConnectionHandler;
  connection: SocketConnection | null;
}

class SocketConnection implements Connection {
  #socket: uws.WebSocket<SocketData> | null;

  constructor(socket: uws.WebSocket<SocketData>) {
    this.#socket = socket;
  }

  send(text: string): boolean {
    // 2: dropped, since too much lies unread; the transport closes such a connection.
    return this.#socket !== null && this.#socket.send(text, false) !== 2;
  }

  get unreadBytes(): number {
    return this.#socket?.getBufferedAmount() ?? 0;
  }

  close(code: number, reason: string): void {
    this.#socket?.end(code, reason);
  }

  gone(): void {
    this.#socket = null;
  }
}

/**
 * Listens for HTTP and WebSocket. The only file that knows uWebSockets.js.
 * @throws MeterstormError `port_taken`
 */
export function listen(host: string, port: number, handlers: NetworkHandlers): Promise<NetworkServer> {
  const app = uws.App();
  app.ws<SocketData>("/v1/*", {
    compression: uws.DISABLED,
    maxPayloadLength: limits.transportFrameBytes,
    idleTimeout: IDLE_TIMEOUT_S,
    maxBackpressure: MAX_UNREAD_BYTES,
    // A flag, though this package's types say number.
    closeOnBackpressureLimit: true as unknown as number,
    sendPingsAutomatically: true,
    upgrade: (response, request, context) => upgrade(response, request, context, handlers),
    open: (socket) => {
      const data = socket.getUserData();
      data.connection = new SocketConnection(socket);
      data.handler.open(data.connection);
    },
    message: (socket, message, binary) => socket.getUserData().handler.message(new Uint8Array(message), binary),
    drain: (socket) => {
      const { handler } = socket.getUserData();
      // Not within the event: what cannot be written there leaves the socket unwatched, and this is never called again.
      setImmediate(() => handler.drained());
    },
    close: (socket) => {
      const data = socket.getUserData();
      data.connection?.gone();
      data.handler.closed();
    },
  });
  app.any("/*", (response, request) => serve(response, request, handlers));
  return new Promise((resolve, reject) => {
    listenAlone(app)(host, port, EXCLUSIVE, (token) => {
      if (token === false) reject(portTaken(host, port));
      else resolve(serverOf(app, token));
    });
  });
}

type ListenAlone = (host: string, port: number, options: number, done: (token: uws.us_listen_socket | false) => void) => void;

/** Two engines must not share a port silently; the package takes the option with a host too, its types do not say so. */
const EXCLUSIVE = 1;

function listenAlone(app: uws.TemplatedApp): ListenAlone {
  return app.listen.bind(app) as unknown as ListenAlone;
}

function portTaken(host: string, port: number): MeterstormError {
  const message = `cannot listen on ${host}:${port}: the port is taken, or the address is not this machine's; choose another one in listen.port or end the program that has it`;
  return new MeterstormError("port_taken", message);
}

function serverOf(app: uws.TemplatedApp, token: uws.us_listen_socket): NetworkServer {
  let listening = true;
  const stopListening = () => {
    if (listening) uws.us_listen_socket_close(token);
    listening = false;
  };
  return {
    port: uws.us_socket_local_port(token),
    stopListening,
    close() {
      listening = false;
      app.close();
    },
  };
}

function upgrade(
  response: uws.HttpResponse,
  request: uws.HttpRequest,
  context: uws.us_socket_context_t,
  handlers: NetworkHandlers,
): void {
  const asked: UpgradeRequest = {
    path: request.getUrl(),
    query: new URLSearchParams(request.getQuery() ?? ""),
    authorization: request.getHeader("authorization") || undefined,
    protocols: request
      .getHeader("sec-websocket-protocol")
      .split(",")
      .map((protocol) => protocol.trim())
      .filter((protocol) => protocol !== ""),
    origin: request.getHeader("origin") || undefined,
  };
  const answer = handlers.upgrade(asked);
  if (!answer.accept) {
    write(response, answer.answer, false);
    return;
  }
  response.upgrade<SocketData>(
    { handler: answer.handler, connection: null },
    request.getHeader("sec-websocket-key"),
    answer.protocol,
    request.getHeader("sec-websocket-extensions"),
    context,
  );
}

/** The request object is gone after this returns, so everything is read from it at once. */
function serve(response: uws.HttpResponse, request: uws.HttpRequest, handlers: NetworkHandlers): void {
  const method = request.getMethod().toUpperCase();
  const path = request.getUrl();
  const query = new URLSearchParams(request.getQuery() ?? "");
  const authorization = request.getHeader("authorization") || undefined;
  const declared = Number(request.getHeader("content-length") || 0);
  const maxBytes = handlers.maxBodyBytes(method, path);
  let aborted = false;
  response.onAborted(() => {
    aborted = true;
  });
  const answer = (body: Uint8Array) => {
    handlers
      .request({ method, path, query, authorization, body })
      .catch((error: unknown) => {
        handlers.failed(error);
        return errorAnswer(500, "internal", "the request failed inside the engine; its log says how");
      })
      .then((result) => {
        if (!aborted) response.cork(() => write(response, result, method === "HEAD"));
      })
      .catch((error: unknown) => handlers.failed(error));
  };
  if (declared > maxBytes && maxBytes > 0) {
    aborted = true;
    write(response, tooLarge(maxBytes), false);
    return;
  }
  if (method === "GET" || method === "HEAD") answer(new Uint8Array(0));
  else
    readBody(response, maxBytes, answer, () => {
      aborted = true;
    });
}

function readBody(response: uws.HttpResponse, maxBytes: number, done: (body: Uint8Array) => void, refused: () => void): void {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  let over = false;
  response.onData((chunk, last) => {
    if (over) return;
    bytes += chunk.byteLength;
    if (bytes > maxBytes && maxBytes > 0) {
      over = true;
      refused();
      response.cork(() => write(response, tooLarge(maxBytes), false));
      return;
    }
    // The chunk's memory is taken back after this call.
    if (maxBytes > 0) chunks.push(new Uint8Array(chunk.slice(0)));
    if (last) done(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks));
  });
}

function tooLarge(maxBytes: number): HttpAnswer {
  return errorAnswer(413, "too_large", `the body is longer than ${maxBytes} bytes; send it in parts`);
}

function write(response: uws.HttpResponse, answer: HttpAnswer, headOnly: boolean): void {
  response.writeStatus(`${answer.status} ${STATUS_CODES[answer.status] ?? ""}`);
  response.writeHeader("content-type", answer.type);
  for (const [name, value] of Object.entries(answer.headers ?? {})) response.writeHeader(name, value);
  response.end(headOnly ? undefined : answer.body);
}
