// Alerts as they happen: the engine tells each transition on a WebSocket, which is opened with a ticket.

import { ask, byId, element, figure, Refused, utc } from "./console-parts.js";

const SHOWN = 40;
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 30_000;
/** What was told just before the stream was open is in the store by then. */
const SETTLED_MS = 5000;
const SEVERITIES = ["info", "warning", "critical"];

/** One client's alerts, from `start` to `stop`. */
export class LiveAlerts {
  #token;
  #refused;
  #incidents = new Map();
  /** What was told since the stream was opened, until the store has it, too; null: it has. */
  #told = null;
  #socket = null;
  #timers = new Set();
  #failures = 0;
  #isOver = false;

  /** `refused` is called with the reason when the token is not good for this. */
  constructor(token, refused) {
    this.#token = token;
    this.#refused = refused;
  }

  start() {
    this.#say("Connecting", "waiting");
    this.#show();
    void this.#connect();
  }

  stop() {
    this.#isOver = true;
    this.#disconnect();
  }

  /** Somebody else has seen that the engine does not answer: a connection that stands may just not know yet. */
  doubt() {
    if (this.#socket !== null) this.#lost(this.#socket, "The engine does not answer");
  }

  /** Waits no longer: the network is back, or somebody looks again. */
  hurry() {
    if (this.#socket !== null || this.#isOver || this.#timers.size === 0) return;
    this.#disconnect();
    void this.#connect();
  }

  async #connect() {
    const socket = {};
    this.#socket = socket;
    try {
      const { protocol } = await ask(this.#token, "/v1/tickets", { method: "POST" });
      if (socket !== this.#socket) return;
      const scheme = location.protocol === "https:" ? "wss:" : "ws:";
      this.#listen(new WebSocket(`${scheme}//${location.host}/v1/alerts/stream`, ["meterstorm.v1", protocol]));
    } catch (error) {
      if (socket !== this.#socket) return;
      if (error instanceof Refused) this.#refused(error.message);
      else this.#lost(socket, error instanceof TypeError ? "The engine does not answer" : capital(error.message));
    }
  }

  #listen(socket) {
    this.#socket = socket;
    let isOpen = false;
    socket.addEventListener("open", () => {
      if (socket !== this.#socket) return;
      isOpen = true;
      this.#told = [];
      void this.#readHistory(socket, true);
      this.#after(SETTLED_MS, () => void this.#readHistory(socket, false));
    });
    socket.addEventListener("message", ({ data }) => {
      if (socket !== this.#socket) return;
      const transition = JSON.parse(data);
      this.#told?.push(transition);
      this.#apply(transition);
      this.#show();
    });
    socket.addEventListener("close", ({ code, reason }) => {
      this.#lost(socket, isOpen ? `The connection was closed${reason === "" ? "" : ` (${code}, ${reason})`}` : "No connection");
    });
  }

  /** What happened before, and over it what was told since: the store may be behind what is told. */
  async #readHistory(socket, isFirst) {
    try {
      const incidents = await ask(this.#token, `/v1/alerts?limit=${SHOWN}`);
      if (socket !== this.#socket) return;
      for (const incident of incidents) this.#incidents.set(incident.incident, { ...incident, changed: "" });
      for (const transition of this.#told ?? []) this.#apply(transition);
      if (!isFirst) this.#told = null;
      this.#failures = 0;
      this.#say("Live", "live");
      this.#show();
    } catch (error) {
      if (socket !== this.#socket) return;
      if (error instanceof Refused) this.#refused(error.message);
      else if (isFirst) this.#lost(socket, "The alerts so far cannot be read");
    }
  }

  #apply({ incident: id, ts, meter, rule, state, severity, value, threshold }) {
    const known = this.#incidents.get(id);
    if (known === undefined) {
      // It opened before all that is shown.
      if (state === "resolved") return;
      const opened = { incident: id, meter, rule, state, severity, worst: severity, ts, value, threshold, resolved: null };
      this.#incidents.set(id, { ...opened, changed: ts });
      return;
    }
    // Told again, or read from the store already.
    if (ts < known.changed || ts < known.ts || (known.resolved !== null && ts < known.resolved)) return;
    known.changed = ts;
    known.state = state;
    known.severity = severity;
    if (SEVERITIES.indexOf(severity) > SEVERITIES.indexOf(known.worst)) known.worst = severity;
    known.resolved = state === "resolved" ? ts : null;
  }

  #lost(socket, why) {
    if (socket !== this.#socket || this.#isOver) return;
    this.#disconnect();
    const fullMs = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.#failures++, 10));
    // Partly at random, so that not all consoles come back at one instant.
    const delayMs = Math.ceil(fullMs / 2 + (fullMs / 2) * Math.random());
    this.#say(`${why}. Not live; trying again in ${Math.ceil(delayMs / 1000)} s`, "trouble");
    this.#after(delayMs, () => {
      this.#say(`${why}. Not live; trying again now`, "trouble");
      void this.#connect();
    });
  }

  #disconnect() {
    const socket = this.#socket;
    this.#socket = null;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    if (socket instanceof WebSocket) socket.close();
  }

  #after(delayMs, task) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      task();
    }, delayMs);
    this.#timers.add(timer);
  }

  #say(text, state) {
    const status = byId("alerts-status");
    if (status.textContent !== text) status.textContent = text;
    status.className = state;
  }

  /** The latest first. */
  #show() {
    const latest = [...this.#incidents.values()].sort((a, b) => (a.ts < b.ts ? 1 : a.ts > b.ts ? -1 : 0)).slice(0, SHOWN);
    this.#incidents = new Map(latest.map((incident) => [incident.incident, incident]));
    const firing = latest.filter(({ state }) => state === "firing").length;
    byId("firing").textContent = latest.length === 0 && byId("alerts-status").className !== "live" ? "–" : String(firing);
    byId("firing-figure").classList.toggle("firing", firing > 0);
    byId("quiet").hidden = latest.length > 0;
    byId("alerts").replaceChildren(...latest.map(itemOf));
  }
}

function itemOf({ severity, rule, meter, state, ts, resolved, value, threshold }) {
  const until =
    resolved === null ? element("span", { className: "lasting", textContent: " lasting" }) : ` – ${utc(resolved).slice(5)}`;
  return element(
    "li",
    { className: state === "firing" ? "" : "over" },
    element("span", { className: `severity ${severity}`, textContent: severity }),
    element(
      "span",
      { className: "what" },
      element("b", { textContent: rule }),
      threshold === null ? ` on ${meter}` : ` on ${meter}: ${figure(value)} (limit ${figure(threshold)})`,
    ),
    element("span", { className: "when" }, utc(ts), until),
  );
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
