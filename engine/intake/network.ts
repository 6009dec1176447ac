/**
 * The network as a port: what the engine needs of an HTTP and WebSocket server. The real one is
 * `server.ts`; a simulation brings its own.
 */
export interface HttpRequest {
  readonly method: string;
  /** Path without query, still percent-encoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly authorization: string | undefined;
  /** Empty for requests without a body. */
  readonly body: Uint8Array;
}

export interface HttpAnswer {
  status: number;
  type: string;
  body: string | Uint8Array;
  headers?: Record<string, string>;
}

/** One WebSocket connection. */
export interface Connection {
  /** Text to the client. False when it reads too slowly and the connection is being closed for it. */
  send(text: string): boolean;
  /** Bytes that were sent and that the client has not taken yet. */
  readonly unreadBytes: number;
  close(code: number, reason: string): void;
}

/** What an accepted upgrade becomes. The payload of `message` is only valid during the call. */
export interface ConnectionHandler {
  open(connection: Connection): void;
  message(payload: Uint8Array, binary: boolean): void;
  /** The client has taken some of what lay unread. */
  drained(): void;
  closed(): void;
}

export interface UpgradeRequest {
  readonly path: string;
  readonly query: URLSearchParams;
  readonly authorization: string | undefined;
  readonly protocols: readonly string[];
  readonly origin: string | undefined;
}

export type UpgradeAnswer =
  | { accept: true; protocol: string; handler: ConnectionHandler }
  | { accept: false; answer: HttpAnswer };

export interface NetworkHandlers {
  upgrade(request: UpgradeRequest): UpgradeAnswer;
  /** Must resolve; what it rejects with is answered as 500 and logged. */
  request(request: HttpRequest): Promise<HttpAnswer>;
  /** Largest body for a method and path; 0: none is taken. */
  maxBodyBytes(method: string, path: string): number;
  failed(error: unknown): void;
}

export interface NetworkServer {
  /** The port that it listens on. */
  readonly port: number;
  /** No new connections from now on; existing ones stay. */
  stopListening(): void;
  close(): void;
}

export function jsonAnswer(status: number, value: unknown, headers?: Record<string, string>): HttpAnswer {
  return textAnswer(status, JSON.stringify(value), headers);
}

/** JSON that is text already. */
export function textAnswer(status: number, json: string, headers?: Record<string, string>): HttpAnswer {
  return { status, type: "application/json", body: json, ...(headers === undefined ? {} : { headers }) };
}

export function errorAnswer(status: number, code: string, message: string, headers?: Record<string, string>): HttpAnswer {
  return jsonAnswer(status, { error: { code, message } }, headers);
}

/** The answer to a request whose token is missing or unknown. */
export function unauthorizedAnswer(): HttpAnswer {
  const message = "send Authorization: Bearer <tenant>.<keyId>.<secret> with a token that this engine knows";
  return errorAnswer(401, "unauthorized", message, { "www-authenticate": "Bearer" });
}
