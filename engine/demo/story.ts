import type { DemoClient } from "./clients.js";
import type { DemoTokens } from "./config.js";
import type { FleetProgress } from "./fleet.js";

interface Summary {
  meter: string;
  unit: string;
  last: { ts: string; value: number; delta: number | null; flags: string[] } | null;
  running: { day?: { value: number | null } };
}

interface Incident {
  meter: string;
  rule: string;
  state: string;
  ts: string;
}

const number = new Intl.NumberFormat("en", { maximumFractionDigits: 3 });
const QUERY_WITHIN_MS = 5000;

/** What happens in the engine, a line at a time, told from the same queries that anybody may ask. */
export class Story {
  readonly #url: string;
  readonly #clients: readonly DemoClient[];
  readonly #tokens: ReadonlyMap<string, DemoTokens>;
  #turn = 0;
  #told: { acked: number; atMs: number };

  /** `nowMs` of a clock that never goes back. */
  constructor(url: string, clients: readonly DemoClient[], tokens: ReadonlyMap<string, DemoTokens>, nowMs: number) {
    this.#told = { acked: 0, atMs: nowMs };
    this.#url = url;
    this.#clients = clients;
    this.#tokens = tokens;
  }

  /** The next line: the fleet's rate, one meter in turn, and its client's alerts. */
  async next(progress: FleetProgress, nowMs: number): Promise<string> {
    const seconds = (nowMs - this.#told.atMs) / 1000;
    const rate = seconds > 0 ? (progress.acked - this.#told.acked) / seconds : 0;
    this.#told = { acked: progress.acked, atMs: nowMs };
    const turn = this.#turn++;
    const client = this.#clients[turn % this.#clients.length]!;
    const token = this.#tokens.get(client.tenant)?.read ?? "";
    const [meters, incidents] = await Promise.all([
      this.#ask<Summary[]>("/v1/meters?limit=100", token),
      this.#ask<Incident[]>("/v1/alerts?limit=20", token),
    ]);
    const meter = meters[Math.floor(turn / this.#clients.length) % Math.max(1, meters.length)];
    const parts = [`${number.format(Math.round(rate))} readings/s, ${number.format(progress.acked)} acked`];
    if (progress.rejected > 0) parts.push(`${number.format(progress.rejected)} rejected`);
    if (meter !== undefined) parts.push(`${client.tenant} ${sayMeter(meter)}`);
    parts.push(sayAlerts(incidents));
    return parts.join(" | ");
  }

  async #ask<T>(path: string, token: string): Promise<T> {
    const response = await fetch(`${this.#url}${path}`, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(QUERY_WITHIN_MS),
    });
    if (!response.ok) throw new Error(`${path} was answered with ${response.status}: ${await response.text()}`);
    return (await response.json()) as T;
  }
}

function sayMeter({ meter, unit, last, running }: Summary): string {
  if (last === null) return `${meter}: no reading yet`;
  const said = [`${meter} ${last.ts.slice(0, 16)}Z ${number.format(last.value)} ${unit}`];
  if (last.delta !== null) said.push(`delta ${number.format(last.delta)}`);
  const day = running.day?.value;
  if (typeof day === "number") said.push(`day ${number.format(day)}`);
  said.push(...last.flags.map((flag) => flag.toLowerCase()));
  return said.join(", ");
}

function sayAlerts(incidents: readonly Incident[]): string {
  const latest = incidents.at(-1);
  if (latest === undefined) return "no alert yet";
  const firing = incidents.filter(({ state }) => state === "firing").length;
  return `${firing} firing, latest ${latest.rule} on ${latest.meter}`;
}
