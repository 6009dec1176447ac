import assert from "node:assert/strict";
import test from "node:test";
import { pino } from "pino";
import { type Browser, chromium, type Page } from "playwright-core";
import { runDemo } from "../../engine/demo/demo.js";
import { ask } from "../end-to-end/api.js";
import { createTenant, startEngineProcess } from "../support/engine.js";
import { freePorts, hasProgram, skipWithout, temporaryDirectory, until } from "../support/servers.js";

const skip = skipWithout("a browser", hasProgram("chromium"), "install chromium");
/** No sandbox, since tests run as root in containers too; and nothing that a browser fetches by itself. */
const FLAGS = [
  ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
  ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
];
const DEADLINE_MS = 30_000;

function openBrowser(): Promise<Browser> {
  const path = "/usr/bin/chromium";
  return chromium.launch({ executablePath: path, args: FLAGS, timeout: DEADLINE_MS });
}

/** What a page complains about and what it asks of others, from now on. */
function troublesOf(page: Page, url: string): string[] {
  const troubles: string[] = [];
  page.on("pageerror", (error) => troubles.push(error.message));
  page.on("console", (message) => {
    // A browser asks for an icon by itself.
    if (message.type() === "error" && !message.location().url.endsWith("/favicon.ico")) troubles.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(`${url}/`)) troubles.push(`a request to ${request.url()}`);
  });
  page.on("websocket", (socket) => {
    if (!socket.url().startsWith(`${url.replace("http", "ws")}/`)) troubles.push(`a WebSocket to ${socket.url()}`);
  });
  return troubles;
}

test("the console shows a client's meters, periods and alerts as they move, from this engine alone", { skip }, async (t) => {
  const demo = await runDemo({
    ...{ dataDir: temporaryDirectory("console"), port: 18_180, hoursPerSecond: 24 * 10, maxHours: 24 * 40 },
    log: pino({ level: "silent" }),
    print: () => undefined,
  });
  t.after(() => demo.close());
  const browser = await openBrowser();
  t.after(() => browser.close());
  const page = await browser.newPage({ viewport: { width: 390, height: 800 } });
  page.setDefaultTimeout(DEADLINE_MS);
  const troubles = troublesOf(page, demo.url);

  await page.goto(`${demo.url}/#token=${demo.tokens.get("lakeside-property")}`);
  await page.getByRole("button", { name: "elec-north" }).click();
  assert.equal(page.url(), `${demo.url}/`, "the token is taken out of the address");
  assert.deepEqual(
    (await page.locator("#meters td.meter").allTextContents()).sort(),
    ["annex", "marina", "north", "south"].flatMap((name) => [`elec-${name}`, `gas-${name}`]).sort(),
  );
  const bars = page.locator("#chart .bar");
  await until("ten days are drawn", DEADLINE_MS, async () => (await bars.count()) >= 10);
  await until("readings are counted", DEADLINE_MS, async () => /[1-9]/.test((await page.locator("#total").textContent()) ?? ""));
  await page.locator("#alerts li", { hasText: "peak-load" }).first().waitFor();
  await page.locator("#chart g.column").nth(3).hover();
  assert.match((await page.locator("#detail").textContent()) ?? "", /^\d{4}-\d\d-\d\d: [\d.]+ kWh/);
  await page.getByRole("button", { name: "Hours" }).click();
  await until("forty hours are drawn", DEADLINE_MS, async () => (await bars.count()) >= 40);
  const sideways = await page.evaluate<number>("document.documentElement.scrollWidth - document.documentElement.clientWidth");
  assert.equal(sideways, 0, "a phone does not scroll sideways");

  await page.reload();
  await page.getByRole("button", { name: "gas-south" }).waitFor();
  await page.getByRole("button", { name: "Leave" }).click();
  assert.deepEqual(troubles, []);
  await page.getByLabel("Token").fill("lakeside-property.console.wrong");
  await page.getByRole("button", { name: "Open" }).click();
  await page.getByText("with a token that this engine knows").waitFor();
});

test("alerts come to the console as they happen, without being asked for; a lost connection is said and made again", {
  skip,
  timeout: 120_000,
}, async (t) => {
  const rules = [
    {
      ...{ id: "load", on: "value", op: ">" },
      levels: [
        { severity: "warning", threshold: 10 },
        { severity: "critical", threshold: 20 },
      ],
    },
  ];
  const acme = createTenant("acme", { meters: [{ match: "*", kind: "gauge" }], rules });
  const [port] = await freePorts(1);
  const config = { listen: { host: "127.0.0.1", port }, shards: 1, tenants: [acme.config] };
  let engine = await startEngineProcess({ config });
  t.after(() => engine.kill9());
  await engine.ready();
  let second = 0;
  const post = async (meter: string, ...values: number[]): Promise<void> => {
    const body = JSON.stringify(values.map((value) => [meter, Date.UTC(2026, 0, 1) + second++ * 1000, value]));
    const answer = await ask(engine.url, "/v1/readings?datalogger=dl", acme.tokens.ingest, { method: "POST", body });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
  };
  await post("before", 15);

  const browser = await openBrowser();
  t.after(() => browser.close());
  const page = await browser.newPage({ viewport: { width: 390, height: 800 } });
  page.setDefaultTimeout(DEADLINE_MS);
  const troubles = troublesOf(page, engine.url);
  const asked: string[] = [];
  page.on("request", (request) => asked.push(new URL(request.url()).pathname));
  let streams = 0;
  page.on("websocket", () => streams++);
  const status = page.locator("#alerts-status");
  const items = async (): Promise<string[]> =>
    (await page.locator("#alerts li").allInnerTexts()).map((text) => text.replace(/\s+/g, " "));

  await page.goto(`${engine.url}/#token=${acme.tokens.read}`);
  await status.filter({ hasText: /^Live$/ }).waitFor();
  await until("what was before is shown", DEADLINE_MS, async () => (await items()).length === 1);
  await post("live", 5, 12);
  await page.locator("#alerts li", { hasText: "live" }).waitFor();
  assert.deepEqual(await items(), [
    "warning load on live: 12 (limit 10) 2026-01-01 00:00 lasting",
    "warning load on before: 15 (limit 10) 2026-01-01 00:00 lasting",
  ]);
  assert.equal(await page.locator("#firing").textContent(), "2");
  await post("live", 25);
  await page.locator("#alerts li", { hasText: "live" }).locator(".critical").waitFor();
  await post("live", 1);
  await page.locator("#alerts li.over", { hasText: "live" }).waitFor();
  assert.equal(await page.locator("#firing").textContent(), "1");
  await until("the store was read a second time", DEADLINE_MS, () => asked.filter((path) => path === "/v1/alerts").length === 2);
  const rounds = asked.filter((path) => path === "/v1/meters").length;
  await until("some rounds later", DEADLINE_MS, () => asked.filter((path) => path === "/v1/meters").length > rounds + 2);
  assert.equal(asked.filter((path) => path === "/v1/alerts").length, 2, "it does not ask again and again");
  assert.deepEqual([streams, asked.filter((path) => path === "/v1/tickets").length], [1, 1]);
  const sideways = await page.evaluate<number>("document.documentElement.scrollWidth - document.documentElement.clientWidth");
  assert.equal(sideways, 0, "a phone does not scroll sideways");
  assert.deepEqual(troubles, []);

  await engine.kill9();
  await status.filter({ hasText: /Not live; trying again in \d+ s$/ }).waitFor();
  assert.equal((await items()).length, 2, "what is known stays");
  engine = await startEngineProcess({ config: { ...config, dataDir: engine.dataDir } });
  await engine.ready();
  await post("meanwhile", 30);
  await status.filter({ hasText: /^Live$/ }).waitFor();
  await page.locator("#alerts li", { hasText: "meanwhile" }).waitFor();
  await post("again", 11);
  await page.locator("#alerts li", { hasText: "again" }).waitFor();
  assert.equal((await items()).length, 4);

  await page.getByRole("button", { name: "Leave" }).click();
  await until("the stream is closed", DEADLINE_MS, async () => {
    const { body } = await ask(engine.url, "/metrics", null);
    return !/^meterstorm_alert_streams\{tenant="acme"\} [1-9]/m.test(String(body));
  });
});
