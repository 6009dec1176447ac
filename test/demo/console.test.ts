import assert from "node:assert/strict";
import test from "node:test";
import { pino } from "pino";
import { type Browser, chromium } from "playwright-core";
import { runDemo } from "../../engine/demo/demo.js";
import { hasProgram, skipWithout, temporaryDirectory, until } from "../support/servers.js";

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
  const troubles: string[] = [];
  page.on("pageerror", (error) => troubles.push(error.message));
  page.on("console", (message) => {
    // A browser asks for an icon by itself.
    if (message.type() === "error" && !message.location().url.endsWith("/favicon.ico")) troubles.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(`${demo.url}/`)) troubles.push(`a request to ${request.url()}`);
  });

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
