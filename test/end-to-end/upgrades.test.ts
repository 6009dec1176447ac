import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, test } from "node:test";
import { Stage } from "./stage.js";
import { Wire } from "./wire.js";

let stage: Stage;
before(async () => {
  stage = await Stage.set("duckdb", { limits: { connections: 3 } });
});
after(() => stage.clear());

interface Refusal {
  status: number | undefined;
  code: string | undefined;
  retryAfter: string | undefined;
}

/** Asks for an upgrade and resolves with the refusal; rejects when it is granted. */
function refused(path: string, headers: Record<string, string>): Promise<Refusal> {
  const handshake = {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
  };
  return new Promise((resolve, reject) => {
    const asking = request(stage.engine.url + path, { headers: { ...handshake, ...headers } });
    asking.setTimeout(20_000, () => asking.destroy(new Error("no answer")));
    asking.once("error", reject);
    asking.once("upgrade", (_response, socket) => {
      socket.destroy();
      reject(new Error(`the upgrade of ${path} was granted`));
    });
    asking.once("response", (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => {
        text += chunk;
      });
      response.on("end", () => {
        const { error } = JSON.parse(text) as { error?: { code?: string } };
        resolve({ status: response.statusCode, code: error?.code, retryAfter: response.headers["retry-after"] });
      });
    });
    asking.end();
  });
}

const PROTOCOL = { "sec-websocket-protocol": "meterstorm.v1" };
const PATH = "/v1/stream?datalogger=dl";

test("who has no valid token of the right role gets no connection, whatever else is right", async () => {
  const { tokens } = stage.acme;
  const wrongSecret = `${tokens.ingest.slice(0, -1)}${tokens.ingest.endsWith("A") ? "B" : "A"}`;
  const cases: [what: string, authorization: string | null, status: number, code: string][] = [
    ["no header", null, 401, "unauthorized"],
    ["no scheme", tokens.ingest, 401, "unauthorized"],
    ["another scheme", `Basic ${tokens.ingest}`, 401, "unauthorized"],
    ["an empty token", "Bearer ", 401, "unauthorized"],
    ["a wrong secret", `Bearer ${wrongSecret}`, 401, "unauthorized"],
    ["no secret", `Bearer ${tokens.ingest.split(".").slice(0, 2).join(".")}`, 401, "unauthorized"],
    ["another client's secret", `Bearer acme.ingest.${stage.other.tokens.ingest.split(".")[2]}`, 401, "unauthorized"],
    ["another key's secret", `Bearer acme.admin.${tokens.ingest.split(".")[2]}`, 401, "unauthorized"],
    ["an unknown client", `Bearer nobody.ingest.${tokens.ingest.split(".")[2]}`, 401, "unauthorized"],
    ["a token of 3000 characters", `Bearer acme.ingest.${"x".repeat(3000)}`, 401, "unauthorized"],
    ["a key that only reads", `Bearer ${tokens.read}`, 403, "forbidden"],
  ];
  await stage.amid(async () => {
    for (const [what, authorization, status, code] of cases) {
      const headers = authorization === null ? PROTOCOL : { ...PROTOCOL, authorization };
      assert.deepEqual(await refused(PATH, headers), { status, code, retryAfter: undefined }, what);
    }
    const inQuery = await refused(`${PATH}&token=${tokens.ingest}&authorization=Bearer%20${tokens.ingest}`, PROTOCOL);
    assert.equal(inQuery.status, 401, "a token in the address counts for nothing");
  });
});

test("a datalogger's id is 1–128 characters without control characters", async () => {
  const headers = { ...PROTOCOL, authorization: `Bearer ${stage.acme.tokens.ingest}` };
  const faulty = ["", "?datalogger=", `?datalogger=${"x".repeat(129)}`, `?datalogger=${"%F0%9F%94%8C".repeat(129)}`];
  for (const control of ["%00", "%0A", "%0D%0A", "%1F", "%7F", "%C2%85"]) faulty.push(`?datalogger=a${control}b`);
  await stage.amid(async () => {
    for (const query of faulty) {
      assert.deepEqual(
        await refused(`/v1/stream${query}`, headers),
        { status: 400, code: "datalogger_invalid", retryAfter: undefined },
        query,
      );
    }
    for (const id of ["x".repeat(128), "🔌".repeat(128), "a, b=c\"d\\e'f%g/h", " "]) {
      const wire = await stage.wire(id);
      assert.equal(wire.welcome.datalogger, id);
      wire.close();
      await wire.ended();
    }
  });
});

test("only meterstorm.v1 is spoken, and only at its address", async () => {
  const headers = { authorization: `Bearer ${stage.acme.tokens.ingest}` };
  await stage.amid(async () => {
    for (const protocols of [null, "mqtt", "meterstorm.v2", "METERSTORM.V1", "meterstorm.v1.1"]) {
      const more = protocols === null ? {} : { "sec-websocket-protocol": protocols };
      const answer = await refused(PATH, { ...headers, ...more });
      assert.deepEqual(answer, { status: 400, code: "protocol", retryAfter: undefined }, String(protocols));
    }
    for (const path of ["/v1/streams?datalogger=dl", "/v1/readings?datalogger=dl", "/v1/"]) {
      assert.deepEqual(
        await refused(path, { ...headers, ...PROTOCOL }),
        { status: 404, code: "not_found", retryAfter: undefined },
        path,
      );
    }
  });
});

test("a client beyond its connections is asked to come later, and may replace one of its own", async () => {
  const headers = { ...PROTOCOL, authorization: `Bearer ${stage.acme.tokens.ingest}` };
  const wires = [await stage.wire("first"), await stage.wire("second")];
  await stage.amid(async () => {
    // Two here and the neighbour are the three that the client may have.
    const answer = await refused("/v1/stream?datalogger=third", headers);
    assert.deepEqual(answer, { status: 429, code: "connection_limit", retryAfter: "10" });
    wires.push(await stage.wire("second"));
    assert.deepEqual(await wires[1]!.ended(), { code: 1008, reason: "replaced", error: null, message: "" });
    const elsewhere = await Wire.open(stage.engine.wsUrl, stage.other.tokens.ingest, "third");
    elsewhere.close();
  });
  wires[0]!.close();
  await wires[0]!.ended();
  const third = await stage.wire("third");
  for (const wire of [third, wires[2]!]) wire.close();
});

test("what the neighbours sent meanwhile is all there", () => stage.neighboursStored());
