import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { until } from "../support/servers.js";
import { type Answer, ask, readingsOf } from "./api.js";
import { Stage } from "./stage.js";

const TS = Date.UTC(2026, 0, 1);
const PATH = "/v1/readings?datalogger=poster";

let stage: Stage;
before(async () => {
  stage = await Stage.set("duckdb");
});
after(() => stage.clear());

function post(body: object | string | Uint8Array, path = PATH, token: string | null = stage.acme.tokens.ingest): Promise<Answer> {
  const text = typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body);
  return ask(stage.engine.url, path, token, { method: "POST", body: text });
}

function get(path: string, token: string | null = stage.acme.tokens.read): Promise<Answer> {
  return ask(stage.engine.url, path, token);
}

async function values(meter: string, count: number): Promise<number[]> {
  return await until(`${count} rows of ${meter}`, 20_000, async () => {
    const rows = await readingsOf(stage.engine.url, stage.acme.tokens.read, meter);
    return rows.length >= count && rows.map(({ value }) => value);
  });
}

test("a post is taken with a seq, without one, and as a bare array; its seq is echoed and never used to skip", async () => {
  const reading = (minute: number) => ({ meter: "posted", ts: TS + minute * 60_000, value: minute });
  await stage.amid(async () => {
    const answers = [
      await post({ seq: 7, readings: [reading(0)] }),
      await post({ seq: 7, readings: [reading(1)] }),
      await post({ seq: 3, readings: [reading(2)] }),
      await post({ readings: [reading(3)] }),
      await post([reading(4), ["posted", TS + 5 * 60_000, 5]]),
      await post([]),
      await post([reading(4)]),
    ];
    assert.deepEqual(
      answers.map(({ status, body }) => ({ status, body })),
      [
        { status: 200, body: { seq: 7, accepted: 1, rejected: [] } },
        { status: 200, body: { seq: 7, accepted: 1, rejected: [] } },
        { status: 200, body: { seq: 3, accepted: 1, rejected: [] } },
        { status: 200, body: { accepted: 1, rejected: [] } },
        { status: 200, body: { accepted: 2, rejected: [] } },
        { status: 200, body: { accepted: 0, rejected: [] } },
        { status: 200, body: { accepted: 1, rejected: [] } },
      ],
    );
  });
  assert.deepEqual(await values("posted", 6), [0, 1, 2, 3, 4, 5]);
  // A post moves no seq of the datalogger.
  const wire = await stage.wire("poster");
  assert.equal(wire.welcome.lastSeq, 0);
  wire.close();
});

test("the faulty readings of a post are listed by their index, the others taken", async () => {
  const { status, body } = await stage.amid(() =>
    post([
      ["posted-beside", TS, 1],
      ["posted-beside", "yesterday", 1],
      ["", TS, 1],
      ["posted-beside", TS + 1000, null],
      ["posted-beside", TS + 1000, 2],
      ["posted-beside", 5, 2],
    ]),
  );
  assert.equal(status, 200);
  assert.deepEqual(body, {
    accepted: 2,
    rejected: [
      { index: 1, meter: "posted-beside", code: "ts_invalid" },
      { index: 2, meter: "", code: "meter_invalid" },
      { index: 3, meter: "posted-beside", code: "value_invalid" },
      { index: 5, meter: "posted-beside", code: "ts_too_old" },
    ],
  });
  assert.deepEqual(await values("posted-beside", 2), [1, 2]);
});

test("a body that cannot be read is answered with 400 and its fault", async () => {
  const bodies: [what: string, body: string | Uint8Array][] = [
    ["nothing", ""],
    ["no JSON", "hello"],
    ["cut off", `{"seq":1,"readings":[["m",${TS},1]`],
    ["NaN", `[["m",${TS},NaN]]`],
    ["a number", "7"],
    ["null", "null"],
    ["a string", '"readings"'],
    ["no readings", "{}"],
    ["readings null", '{"readings":null}'],
    ["a seq that is none", '{"seq":-1,"readings":[]}'],
    ["a seq of text", '{"seq":"1","readings":[]}'],
    ["no UTF-8", Uint8Array.from([0x5b, 0x22, 0xff, 0x22, 0x5d])],
    ["a nest without end", "[".repeat(500_000)],
  ];
  await stage.amid(async () => {
    for (const [what, body] of bodies) {
      const answer = await post(body);
      assert.deepEqual([answer.status, answer.code], [400, "malformed"], what);
    }
    const nest = await post(`[${"[".repeat(400_000)}${"]".repeat(400_000)}]`);
    assert.ok(nest.status === 400 || (nest.body as { rejected: object[] }).rejected.length === 1, `${nest.status}`);
  });
});

test("who may not post learns why", async () => {
  const body = [["never", TS, 1]];
  const { tokens } = stage.acme;
  await stage.amid(async () => {
    const cases: [what: string, answer: Answer, status: number, code: string][] = [
      ["no token", await post(body, PATH, null), 401, "unauthorized"],
      ["a wrong token", await post(body, PATH, `${tokens.ingest}x`), 401, "unauthorized"],
      ["a key that reads", await post(body, PATH, tokens.read), 403, "forbidden"],
      ["no datalogger", await post(body, "/v1/readings"), 400, "datalogger_invalid"],
      ["a datalogger too long", await post(body, `/v1/readings?datalogger=${"x".repeat(129)}`), 400, "datalogger_invalid"],
      ["a line end in the datalogger", await post(body, "/v1/readings?datalogger=a%0Ab"), 400, "datalogger_invalid"],
    ];
    for (const [what, answer, status, code] of cases) assert.deepEqual([answer.status, answer.code], [status, code], what);
    assert.equal((await post(body, PATH, tokens.admin)).status, 200, "an admin may do both");
  });
});

test("a body beyond 1 MiB is refused with 413, whether its length is told before or not", async () => {
  const body = `[["never",${TS},1]]`;
  const chunked = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(new Uint8Array(64 * 1024).fill(0x20));
    },
  });
  await stage.amid(async () => {
    assert.equal((await post(body + " ".repeat(1024 * 1024 - body.length))).status, 200);
    const told = await post(body + " ".repeat(1024 * 1024 + 1 - body.length));
    assert.deepEqual([told.status, told.code], [413, "too_large"]);
    // A client that sends on for ever gets its answer, or is cut off: what counts is that it is not listened to.
    const endless = ask(stage.engine.url, PATH, stage.acme.tokens.ingest, {
      method: "POST",
      body: chunked,
      duplex: "half",
    } as RequestInit);
    const status = await endless.then(
      (answer) => answer.status,
      () => 413,
    );
    assert.equal(status, 413);
  });
});

test("other methods and addresses are answered with 405 and 404", async () => {
  const { read } = stage.acme.tokens;
  await stage.amid(async () => {
    for (const method of ["GET", "PUT", "DELETE", "PATCH"]) {
      const answer = await ask(stage.engine.url, PATH, stage.acme.tokens.ingest, { method });
      assert.deepEqual([answer.status, answer.code, answer.headers.get("allow")], [405, "method", "POST"], method);
    }
    for (const method of ["POST", "PUT", "DELETE"]) {
      const answer = await ask(stage.engine.url, "/v1/meters", read, { method });
      assert.deepEqual([answer.status, answer.code, answer.headers.get("allow")], [405, "method", "GET"], method);
    }
    for (const path of [
      "/nowhere",
      "/v1/",
      "/v1/nowhere",
      "/v1/meters/m/nothing",
      "/v1/meters/m/readings/more",
      "/v1/meters/%E0%A4%A/readings",
      "/..%2f..%2fetc/passwd",
    ]) {
      const answer = await get(path);
      assert.deepEqual([answer.status, answer.code], [404, "not_found"], path);
    }
    assert.equal((await get("/healthz", null)).status, 200);
  });
});

test("queries take a key that reads, and see their own client alone", async () => {
  await stage.amid(async () => {
    for (const path of ["/v1/meters", "/v1/meters/m", "/v1/meters/m/readings", "/v1/meters/m/consumption", "/v1/alerts"]) {
      assert.deepEqual([(await get(path, null)).status, (await get(path, null)).code], [401, "unauthorized"], path);
      assert.deepEqual([(await get(path, "acme.read.x")).status], [401], path);
      const ingest = await get(path, stage.acme.tokens.ingest);
      assert.deepEqual([ingest.status, ingest.code], [403, "forbidden"], path);
    }
    await post([["ours-alone", TS, 1]]);
    assert.deepEqual(await values("ours-alone", 1), [1]);
    const theirs = await get("/v1/meters/ours-alone/readings", stage.other.tokens.read);
    assert.deepEqual([theirs.status, theirs.code], [404, "meter_unknown"]);
    assert.equal((await get("/v1/meters/ours-alone", stage.acme.tokens.admin)).status, 200);
    const listed = (await get("/v1/meters?limit=1000", stage.other.tokens.read)).body as { meter: string }[];
    assert.deepEqual(
      listed.map(({ meter }) => meter),
      ["neighbour-0", "neighbour-1", "neighbour-2"],
    );
  });
});

test("a parameter that makes no sense is answered with 400 and what is allowed", async () => {
  await post([["asked", TS, 1]]);
  await values("asked", 1);
  const meter = "/v1/meters/asked";
  const faulty = [
    ...[
      "limit=0",
      "limit=-1",
      "limit=1.5",
      "limit=x",
      "limit=10001",
      "limit=1e3",
      "cursor=x",
      "cursor=-1",
      "cursor=99999999999999999999",
    ].map((query) => `${meter}/readings?${query}`),
    ...[
      "from=x",
      "from=2026-01-01",
      "from=2026-01-01T00:00:00",
      "to=yesterday",
      "from=2026-02-30T00:00:00Z",
      "from=1767225600001&to=1767225600000",
      "from=NaN",
      "to=Infinity",
      "from=1e5",
    ].map((query) => `${meter}/readings?${query}`),
    ...["period=year", "period=HOUR", "period=hour&limit=10001", "period=hour&from=x", "period=hour&cursor=x"].map(
      (query) => `${meter}/consumption?${query}`,
    ),
    ...["state=open", "limit=1001", "cursor=1", "cursor=1.00000000000000zz", "from=x", "from=1767225600001&to=1767225600000"].map(
      (query) => `/v1/alerts?${query}`,
    ),
    ...["limit=0", "limit=1001", "limit=x"].map((query) => `/v1/meters?${query}`),
  ];
  await stage.amid(async () => {
    for (const path of faulty) {
      const answer = await get(path);
      assert.deepEqual([answer.status, answer.code], [400, "parameter_invalid"], path);
    }
    for (const path of [
      `${meter}/readings?from=0&to=99999999999999`,
      `${meter}/readings?from=2026-01-01T01:00:00%2B01:00&to=1767225600001`,
      `${meter}/readings?limit=&from=&to=&cursor=`,
    ]) {
      const answer = await get(path);
      assert.deepEqual((answer.body as object[]).length, 1, path);
    }
    assert.deepEqual((await get(`${meter}/readings?from=1767225600001`)).body, []);
    for (const path of [
      "/v1/meters/never-seen",
      "/v1/meters/never-seen/readings",
      "/v1/meters/never-seen/consumption",
      `/v1/meters/${"x".repeat(500)}`,
    ]) {
      const answer = await get(path);
      assert.deepEqual([answer.status, answer.code], [404, "meter_unknown"], path);
    }
    const injected = await get(`/v1/meters/${encodeURIComponent("asked' OR '1'='1")}/readings`);
    assert.deepEqual([injected.status, injected.code], [404, "meter_unknown"]);
  });
});

test("what the neighbours sent meanwhile is all there", () => stage.neighboursStored());

test("the table of rejects has what posts got wrong", async () => {
  const rows = (await stage.stopAndReadRejected()).filter(
    ({ meter, raw }) => meter === "posted-beside" || raw.startsWith('["",'),
  );
  assert.deepEqual(
    rows.map(({ datalogger, seq, index, code, raw }) => ({ datalogger, seq, index, code, raw })),
    [
      { datalogger: "poster", seq: 0, index: 1, code: "ts_invalid", raw: '["posted-beside","yesterday",1]' },
      { datalogger: "poster", seq: 0, index: 2, code: "meter_invalid", raw: `["",${TS},1]` },
      { datalogger: "poster", seq: 0, index: 3, code: "value_invalid", raw: `["posted-beside",${TS + 1000},null]` },
      { datalogger: "poster", seq: 0, index: 5, code: "ts_too_old", raw: '["posted-beside",5,2]' },
    ],
  );
});
