import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { WebSocket } from "ws";
import { packageRoot } from "../../engine/base/package-root.js";
import { startEngineProcess } from "../support/engine.js";
import { temporaryDirectory, until } from "../support/servers.js";

const readme = readFileSync(join(packageRoot, "README.md"), "utf8");
const main = fileURLToPath(new URL("../../engine/main.js", import.meta.url));

/** The README's only block of this kind that holds `text`. */
function block(kind: string, text: string): string {
  const found = [...readme.matchAll(/```(\w*)\n([\s\S]*?)```/g)].filter((match) => match[1] === kind && match[2]!.includes(text));
  assert.equal(found.length, 1, `${found.length} blocks of kind "${kind}" hold ${text}`);
  return found[0]![2]!;
}

/** Runs a line of the README that begins with `meterstorm`, with these words put in the place of what it leaves open. */
function runLine(line: string, replace: Record<string, string>, more: string[] = []): { status: number | null; out: string } {
  let command = line.replace(/ +#.*$/, "");
  for (const [from, to] of Object.entries(replace)) command = command.replaceAll(from, to);
  const [program, ...args] = command.trim().split(/ +/);
  assert.equal(program, "meterstorm");
  const run = spawnSync(process.execPath, [main, ...args, ...more], { encoding: "utf8", timeout: 60_000 });
  return { status: run.status, out: `${run.stdout}${run.stderr}` };
}

function lineOf(text: string, begin: string): string {
  const found = text.split("\n").find((line) => line.startsWith(begin));
  assert.ok(found !== undefined, `no line begins with ${begin}`);
  return found;
}

test("what the README says to type works as it says", { timeout: 120_000 }, async () => {
  const folder = temporaryDirectory("readme");
  const commands = block("", "meterstorm check");

  const made = runLine(lineOf(commands, "meterstorm key create"), { "--role ingest": "--role admin" });
  assert.equal(made.status, 0, made.out);
  const token = /acme\.[\w-]+\.[\w-]{20,}/.exec(made.out)?.[0];
  const sha256 = /\b[0-9a-f]{64}\b/.exec(made.out)?.[0];
  assert.ok(token !== undefined && sha256 !== undefined, made.out);

  const config = JSON.parse(block("json", '"tenants"')) as {
    listen: object;
    store: unknown;
    redis: unknown;
    tenants: { keys: { id: string; sha256: string; role: string }[] }[];
  };
  config.tenants[0]!.keys[0]!.sha256 = sha256;
  const file = join(folder, "meterstorm.json");
  writeFileSync(file, JSON.stringify(config));
  const checked = runLine(lineOf(commands, "meterstorm check"), { "meterstorm.json": file });
  assert.equal(checked.status, 0, checked.out);

  config.tenants[0]!.keys[0] = { id: token.split(".")[1]!, sha256, role: "admin" };
  const engine = await startEngineProcess({ config: { tenants: config.tenants } });
  try {
    await engine.ready();
    await postAsShown(engine.url, token);
    await streamAsShown(engine.wsUrl, token);
    const csv = join(folder, "readings.csv");
    writeFileSync(csv, "meter,ts,value\nm9,2026-01-02T00:00:00Z,5\nm9,2026-01-02T01:00:00Z,6.5\n");
    const tools = block("", "meterstorm replay");
    const url = ["--url", engine.wsUrl];
    const replayed = runLine(lineOf(tools, "meterstorm replay"), { "readings.csv": csv, $TOKEN: token }, url);
    assert.equal(replayed.status, 0, replayed.out);
    const small = { $TOKEN: token, "--dataloggers 100": "--dataloggers 2", "--meters 300": "--meters 5", "30s": "1s" };
    const loaded = runLine(lineOf(tools, "meterstorm load"), small, url);
    assert.equal(loaded.status, 0, loaded.out);
    await queriesAsShown(engine.url, token);
    const shown = lineOf(block("", "meterstorm explain"), "meterstorm explain");
    const explained = runLine(shown, { "main-1": "m9", "2026-03-29": "2026-01-02", $TOKEN: token }, ["--url", engine.url]);
    assert.equal(explained.status, 0, explained.out);
    assert.match(explained.out, /^m9, day 2026-01-02: 1\.5 kWh so far$/m);
  } finally {
    assert.equal(await engine.stop(), 0);
  }
});

async function postAsShown(url: string, token: string): Promise<void> {
  const curl = block("", "curl -X POST");
  const address = /"http:\/\/127\.0\.0\.1:8080([^"]*)"/.exec(curl)?.[1];
  const body = /-d '([^']*)'/.exec(curl)?.[1];
  assert.ok(address !== undefined && body !== undefined);
  const answer = await fetch(url + address, { method: "POST", headers: { authorization: `Bearer ${token}` }, body });
  assert.equal(answer.status, 200);
  assert.deepEqual(await answer.json(), { accepted: 1, rejected: [] });
}

/** Sends the frame that the README shows; what comes back must be what it shows. */
async function streamAsShown(wsUrl: string, token: string): Promise<void> {
  const lines = block("", "-> {").trim().split("\n");
  const [welcome, frame, ack] = lines.map((line) => line.slice(3));
  const socket = new WebSocket(`${wsUrl}/v1/stream?datalogger=dl-1`, "meterstorm.v1", {
    headers: { authorization: `Bearer ${token}` },
  });
  const received: unknown[] = [];
  socket.on("message", (data: Buffer) => received.push(JSON.parse(data.toString())));
  await until("the engine greets", 10_000, () => received.length === 1);
  assert.deepEqual(received[0], JSON.parse(welcome!));
  socket.send(frame!);
  await until("the engine acks", 10_000, () => received.length === 2);
  assert.deepEqual(received[1], JSON.parse(ack!));
  socket.close();
}

/** Every request of the README's table, on a meter that the replay brought. */
async function queriesAsShown(url: string, token: string): Promise<void> {
  const paths = [...readme.matchAll(/`(?:GET )?(\/[^`\s]*)`/g)].map((match) =>
    match[1]!.replace("{meter}", "m9").replaceAll("\\|", "|"),
  );
  const gets = paths.filter((path) => path !== "/" && !path.includes("stream") && !path.startsWith("/v1/readings?datalogger"));
  assert.ok(gets.length >= 8, `only ${gets.length} requests were found`);
  const headers = { authorization: `Bearer ${token}` };
  await until("the store has the replay", 20_000, async () => {
    const rows = (await (await fetch(`${url}/v1/meters/m9/readings`, { headers })).json()) as unknown[];
    return rows.length === 2;
  });
  for (const path of gets) {
    const answer = await fetch(url + path.replace(/quarter\|hour\|day\|month/, "hour"), { headers });
    assert.equal(answer.status, 200, path);
  }
  const hours = (await (await fetch(`${url}/v1/meters/m9/consumption?period=hour`, { headers })).json()) as { value: number }[];
  assert.deepEqual(
    hours.map(({ value }) => value),
    [1.5],
  );
}
