// The console: a client's meters and alerts as they move. It asks only what the public queries answer.

import { LiveAlerts } from "./console-alerts.js";
import { ask, byId, element, figure, Refused, utc } from "./console-parts.js";

const EVERY_MS = 1000;
const SPARK_SAMPLES = 60;
const PAGE = 50;
const SVG = "http://www.w3.org/2000/svg";
/** How far back the chart looks from the last reading. */
const SPANS = { hour: 48 * 3_600_000, day: 21 * 86_400_000, month: 400 * 86_400_000 };
const KEPT = "meterstorm-token";

const state = {
  token: "",
  selected: "",
  period: "day",
  shown: PAGE,
  last: null,
  samples: [],
  timer: 0,
  rows: new Map(),
  alerts: null,
};

function drawn(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

const plain = new Intl.NumberFormat("en", { maximumFractionDigits: 3 });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const aligned = new Intl.NumberFormat("en", { minimumFractionDigits: 3, maximumFractionDigits: 3 });
const inColumn = (value) => (value === null || value === undefined ? "–" : aligned.format(value));

/* The entrance */

function enter(token) {
  state.token = token.trim();
  sessionStorage.setItem(KEPT, state.token);
  state.samples = [];
  state.selected = "";
  byId("client").textContent = state.token.split(".")[0];
  byId("entrance").hidden = true;
  byId("console").hidden = false;
  byId("leave").hidden = false;
  clearTimeout(state.timer);
  state.alerts?.stop();
  state.alerts = new LiveAlerts(state.token, leave);
  state.alerts.start();
  void refresh();
}

function leave(reason) {
  clearTimeout(state.timer);
  state.alerts?.stop();
  state.alerts = null;
  state.token = "";
  sessionStorage.removeItem(KEPT);
  byId("client").textContent = "";
  byId("status").textContent = "";
  byId("console").hidden = true;
  byId("leave").hidden = true;
  byId("entrance").hidden = false;
  byId("refusal").textContent = reason;
  byId("token").value = "";
  byId("token").focus();
}

/* One round: everything that is shown but the alerts, once */

async function refresh() {
  const { token } = state;
  try {
    const search = byId("search").value.trim();
    const [metrics, meters] = await Promise.all([
      ask(token, "/metrics", { asText: true }),
      ask(token, `/v1/meters?limit=${state.shown + 1}&q=${encodeURIComponent(search)}`),
    ]);
    if (token !== state.token) return;
    showRate(metrics);
    showMeters(meters, search);
    await showChart();
    say("live", false);
  } catch (error) {
    if (token !== state.token) return;
    if (error instanceof Refused) return leave(error.message);
    if (error instanceof TypeError) state.alerts?.doubt();
    say(error instanceof TypeError ? "The engine does not answer; trying again" : error.message, true);
  }
  if (token === state.token && token !== "" && !document.hidden) state.timer = setTimeout(refresh, EVERY_MS);
}

function say(text, trouble) {
  const status = byId("status");
  if (status.textContent !== text) status.textContent = text;
  status.classList.toggle("trouble", trouble);
}

function sumOf(metrics, name, tenant) {
  let sum = null;
  for (const line of metrics.split("\n")) {
    if (line.startsWith(`${name}{`) && line.includes(`tenant="${tenant}"`))
      sum = (sum ?? 0) + Number(line.slice(line.lastIndexOf(" ") + 1));
  }
  return sum;
}

function showRate(metrics) {
  const total = sumOf(metrics, "meterstorm_readings_received_total", state.token.split(".")[0]);
  const now = performance.now();
  const { samples } = state;
  samples.push({ now, total: total ?? 0 });
  if (samples.length > SPARK_SAMPLES + 1) samples.shift();
  byId("total").textContent = total === null ? "–" : whole.format(total);
  // Over a few seconds, since frames carry many readings and come in gusts.
  const from = samples.at(-6) ?? samples[0];
  const seconds = (now - from.now) / 1000;
  byId("rate").textContent = seconds > 0 ? whole.format(Math.max(0, (total ?? 0) - from.total) / seconds) : "–";
  drawSpark(samples);
}

function drawSpark(samples) {
  const spark = byId("spark");
  const { clientWidth: width, clientHeight: height } = spark;
  const rates = samples.slice(1).map((sample, i) => ((sample.total - samples[i].total) * 1000) / (sample.now - samples[i].now));
  const top = Math.max(1, ...rates);
  const points = rates.map((rate, i) => {
    const x = width - ((rates.length - 1 - i) * width) / (SPARK_SAMPLES - 1);
    return `${x.toFixed(1)},${(height - 3 - (Math.max(0, rate) / top) * (height - 6)).toFixed(1)}`;
  });
  spark.replaceChildren(...(points.length > 1 ? [drawn("path", { d: `M${points.join("L")}` })] : []));
}

/* Meters */

function showMeters(found, search) {
  const meters = found.slice(0, state.shown);
  byId("more").hidden = found.length <= state.shown;
  byId("none").hidden = meters.length > 0;
  byId("none").textContent = search === "" ? "No meter yet. Its first reading brings it here." : "No meter's id contains that.";
  byId("count").textContent =
    search === "" ? `${meters.length}${found.length > state.shown ? "+" : ""}` : byId("count").textContent;
  if (state.selected === "" && meters.length > 0) choose(meters[0].meter);

  const rows = new Map();
  for (const summary of meters) {
    const row = state.rows.get(summary.meter) ?? newRow(summary.meter);
    rows.set(summary.meter, row);
    fillRow(row, summary);
    if (summary.meter === state.selected) state.last = summary;
  }
  const body = byId("meters");
  const order = [...rows.values()];
  if (order.length !== body.children.length || order.some((row, i) => row !== body.children[i])) body.replaceChildren(...order);
  state.rows = rows;
}

function newRow(meter) {
  const name = element("button", { type: "button", textContent: meter, title: meter });
  const cells = ["number", "number", "number", "number", "time"].map((className) => element("td", { className }));
  const row = element(
    "tr",
    { className: meter === state.selected ? "chosen" : "" },
    element("td", { className: "meter" }, name),
    ...cells,
  );
  row.addEventListener("click", () => {
    choose(meter);
    void showChart().catch((error) => say(error.message, true));
  });
  return row;
}

function fillRow(row, { unit, last, running }) {
  const [, reading, delta, hour, day, time] = row.children;
  reading.replaceChildren(
    last === null ? "–" : figure(last.value),
    element("span", { className: "unit", textContent: ` ${unit}` }),
  );
  delta.replaceChildren(
    ...(last?.flags ?? []).map((flag) => element("span", { className: "flag", textContent: flag.toLowerCase() })),
    last?.delta == null ? " –" : ` ${last.delta > 0 ? "+" : ""}${inColumn(last.delta)}`,
  );
  hour.textContent = inColumn(running.hour?.value);
  day.textContent = inColumn(running.day?.value);
  time.textContent = last === null ? "–" : utc(last.ts);
}

function choose(meter) {
  state.selected = meter;
  state.last = null;
  for (const [id, row] of state.rows) row.classList.toggle("chosen", id === meter);
  byId("chart-title").textContent = meter;
  byId("detail").textContent = "";
}

/* The chart: one column a period, the running one lighter */

async function showChart() {
  const { selected, period } = state;
  if (selected === "" || state.last?.last == null) return;
  const { last, kind, unit, running } = state.last;
  const read = Date.parse(last.ts);
  const path = `/v1/meters/${encodeURIComponent(selected)}/consumption`;
  const rows = await ask(state.token, `${path}?period=${period}&from=${read - SPANS[period]}&to=${read + 1}`);
  if (selected !== state.selected || period !== state.period) return;
  const open = period === "month" ? undefined : running[period];
  const columns = rows.map((row) => ({ ...row, open: false }));
  if (open !== undefined && !columns.some((row) => Date.parse(row.ts) === Date.parse(open.start))) {
    columns.push({
      ts: open.start,
      localDate: null,
      value: open.value,
      min: null,
      max: null,
      coverage: null,
      flags: [],
      open: true,
    });
  }
  drawChart(columns, { kind, unit, period });
}

function drawChart(columns, { kind, unit, period }) {
  const chart = byId("chart");
  const { clientWidth: width, clientHeight: height } = chart;
  const gauge = kind === "gauge";
  const values = columns.flatMap(({ value, min, max }) => [value, min, max]).filter((value) => value !== null);
  byId("chart-title").textContent = `${state.selected}${unit === "" ? "" : `, ${unit}`}${gauge ? " (least, mean, most)" : ""}`;
  if (values.length === 0) {
    chart.replaceChildren(drawn("text", { x: width / 2, y: height / 2, "text-anchor": "middle" }, "No closed period yet"));
    return;
  }
  const { low, high, ticks } = scale(Math.min(0, ...values), Math.max(0, ...values));
  const left = 8 + 7 * Math.max(...ticks.map((tick) => plain.format(tick).length));
  const bottom = height - 20;
  const y = (value) => bottom - ((value - low) / (high - low)) * (bottom - 8);
  const step = (width - left - 12) / Math.max(columns.length, 7);
  const nodes = ticks.flatMap((tick) => [
    drawn("line", { x1: left, x2: width - 12, y1: y(tick), y2: y(tick) }),
    drawn("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, plain.format(tick)),
  ]);
  const every = Math.ceil(56 / step);
  columns.forEach((column, i) => {
    const x = left + i * step;
    const group = drawn("g", { class: "column" }, drawn("rect", { class: "hit", x, y: 0, width: step, height: bottom }));
    const bar = { x: x + step * 0.14, width: step * 0.72, rx: Math.min(2, step / 6) };
    const look = column.open ? "bar open" : column.coverage < 1 ? "bar partial" : "bar";
    const [from, to] = gauge && column.min !== null ? [column.min, column.max] : [0, column.value];
    if (to !== null) {
      const upper = Math.min(y(from), y(to));
      group.append(drawn("rect", { class: look, ...bar, y: upper, height: Math.max(1, Math.abs(y(from) - y(to))) }));
      if (gauge && column.min !== null && column.value !== null) {
        group.append(
          drawn("line", { class: "mean", x1: bar.x, x2: bar.x + bar.width, y1: y(column.value), y2: y(column.value) }),
        );
      }
    }
    if ((columns.length - 1 - i) % every === 0) {
      const atEdge = i === columns.length - 1;
      const place = atEdge ? { x: x + step + 6, "text-anchor": "end" } : { x: x + step / 2, "text-anchor": "middle" };
      group.append(drawn("text", { ...place, y: height - 5 }, labelOf(column, period)));
    }
    const show = () => {
      byId("detail").textContent = detailOf(column, { unit, period, gauge });
    };
    group.addEventListener("pointerenter", show);
    group.addEventListener("click", show);
    nodes.push(group);
  });
  chart.replaceChildren(...nodes);
  if (byId("detail").textContent === "") byId("detail").textContent = "Point at a column to read it.";
}

/** Round steps that take in both ends, three to five of them. */
function scale(least, most) {
  const span = most - least || 1;
  const magnitude = 10 ** Math.floor(Math.log10(span / 4));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * magnitude).find((size) => span / size <= 4.5) ?? span;
  const low = Math.floor(least / step) * step;
  const high = Math.ceil((most || step) / step) * step;
  const ticks = Array.from({ length: Math.round((high - low) / step) + 1 }, (_, i) => Number((low + i * step).toPrecision(12)));
  return { low, high, ticks };
}

function labelOf(column, period) {
  if (column.localDate === null) return "now";
  if (period === "hour") return `${column.ts.slice(11, 16)}Z`;
  return period === "day" ? column.localDate.slice(5) : column.localDate.slice(0, 7);
}

function detailOf(column, { unit, period, gauge }) {
  const when =
    column.localDate === null
      ? `since ${utc(column.ts)} UTC, not over yet`
      : period === "hour"
        ? `${utc(column.ts)} UTC`
        : column.localDate;
  const value = column.value === null ? "unknown" : `${gauge ? "mean " : ""}${figure(column.value)} ${unit}`;
  const range = column.min === null ? "" : `, from ${figure(column.min)} to ${figure(column.max)}`;
  const cover = column.coverage === null || column.coverage === 1 ? "" : `, ${Math.floor(column.coverage * 100)} % covered`;
  const flags = column.flags.length === 0 ? "" : `, ${column.flags.join(" ").toLowerCase()}`;
  return `${when}: ${value}${range}${cover}${flags}`;
}

/* Wiring */

byId("entrance").addEventListener("submit", (event) => {
  event.preventDefault();
  byId("refusal").textContent = "";
  enter(byId("token").value);
});
byId("leave").addEventListener("click", () => leave(""));
byId("more").addEventListener("click", () => {
  state.shown = Math.min(state.shown + PAGE, 950);
});
for (const button of document.querySelectorAll("[data-period]")) {
  button.addEventListener("click", () => {
    state.period = button.dataset.period;
    for (const other of document.querySelectorAll("[data-period]")) other.setAttribute("aria-pressed", String(other === button));
    byId("detail").textContent = "";
    void showChart().catch((error) => say(error.message, true));
  });
}
document.addEventListener("visibilitychange", () => {
  clearTimeout(state.timer);
  if (document.hidden || state.token === "") return;
  state.alerts?.hurry();
  void refresh();
});
window.addEventListener("online", () => state.alerts?.hurry());

/** A token in the address is taken out of it at once, so that it is neither bookmarked nor shared. */
function tokenOfAddress() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token !== null) history.replaceState(null, "", location.pathname + location.search);
  return token;
}

function start() {
  const token = tokenOfAddress() ?? sessionStorage.getItem(KEPT);
  if (token) enter(token);
  else leave("");
}
window.addEventListener("hashchange", () => {
  const token = tokenOfAddress();
  if (token) enter(token);
});
start();
