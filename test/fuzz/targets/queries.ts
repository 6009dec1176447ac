import assert from "node:assert/strict";
import { choice, count, instant, instantOrDate, range } from "../../../engine/api/parameters.js";
import { globMatches, globsMeet } from "../../../engine/base/glob.js";
import { joined, mutateBytes } from "../mutate.js";
import { HOSTILE_TEXTS } from "../mutate-json.js";
import { bytesOf, orRefusal, type Target, textIn } from "../target.js";

const LAST = Date.UTC(2200, 0, 1);
const FIRST = Date.UTC(2000, 0, 1);

function run(input: Uint8Array): void {
  const text = textIn(input);
  const query = new URLSearchParams(text);
  const span = orRefusal(() => range(query));
  if (!(span instanceof Error)) assert.ok(FIRST <= span.from && span.from <= span.to && span.to <= LAST, JSON.stringify(span));
  const at = orRefusal(() => instant(query, "ts", 0));
  if (!(at instanceof Error)) assert.ok(at === 0 || (at >= FIRST && at <= LAST), String(at));
  const day = orRefusal(() => instantOrDate(query, "ts"));
  if (typeof day === "string") assert.equal(new Date(`${day}T00:00:00Z`).toISOString().slice(0, 10), day);
  const limit = orRefusal(() => count(query, "limit", 10, 1000));
  if (!(limit instanceof Error)) assert.ok(Number.isInteger(limit) && limit >= 1 && limit <= 1000);
  const period = orRefusal(() => choice(query, "period", ["hour", "day"], "hour"));
  if (!(period instanceof Error)) assert.ok(period === "hour" || period === "day");
  // What a client may write as a pattern is matched against what another may write as an id.
  const pattern = (query.get("q") ?? text).slice(0, 300);
  const id = `${pattern.replaceAll("*", "a").repeat(8).slice(0, 127)}b`;
  assert.equal(globsMeet(pattern, pattern), true);
  assert.ok(globMatches(pattern, pattern) && globMatches(`${pattern}*`, pattern + id));
}

export function open(): Target {
  const seeds = [
    ...["from=2026-01-01T00:00:00Z&to=1767225600001&limit=5", "ts=2024-02-29&period=day&limit=1000", "q=a*b*c*d&cursor=YQ"],
    ...["ts=2026-03&from=-1&to=9999999999999999", "from=2026-02-30T00:00:00Z", `q=${"*a".repeat(64)}`],
    ...HOSTILE_TEXTS.map((text) => `ts=${encodeURIComponent(Buffer.from(text).toString("utf8"))}`),
  ].map(bytesOf);
  const names = ["from", "to", "ts", "limit", "period", "q"].map((name) => bytesOf(`&${name}=`));
  return {
    ...{ name: "queries", seeds, run },
    mutate: (random, all) => joined(mutateBytes(random, all), random.pick(names), mutateBytes(random, all)),
  };
}
