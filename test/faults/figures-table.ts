import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../engine/base/package-root.js";
import type { Outcome } from "./run.js";
import { SCENARIOS } from "./scenarios.js";

export const PAGE = join(packageRoot, "docs", "RELIABILITY.md");
const BEGIN = "<!-- figures: made by `make soak`, do not edit -->";
const END = "<!-- end of figures -->";

const COLUMNS: readonly [string, (outcome: Outcome) => string][] = [
  ["scenario", ({ scenario }) => scenario],
  ["faults", ({ faults }) => count(faults)],
  ["readings sent", ({ figures }) => count(figures.sent)],
  ["acked", ({ figures }) => count(figures.acked)],
  ["lost", ({ figures }) => count(figures.lost)],
  ["duplicated", ({ figures }) => count(figures.duplicated)],
  ["wrong rows", ({ figures }) => count(figures.wrongRows)],
  ["transitions (wrong)", ({ figures }) => `${count(figures.transitions)} (${figures.wrongTransitions})`],
  ["acks again after", ({ ackedAgainMs }) => seconds(ackedAgainMs)],
  ["nothing waits after", ({ recoveredMs }) => (recoveredMs === null ? "never" : seconds(recoveredMs))],
  ["ack p99 before", ({ p99BeforeMs }) => ms(p99BeforeMs)],
  ["of others meanwhile", ({ p99OthersMs }) => (p99OthersMs === null ? "–" : ms(p99OthersMs))],
  ["after", ({ p99AfterMs }) => ms(p99AfterMs)],
  ["memory, most", ({ memoryMiB }) => `${Math.round(memoryMiB)} MiB`],
];

/** The figures of scenarios as a table in Markdown. */
export function tableOf(outcomes: readonly Outcome[]): string {
  const rows = [COLUMNS.map(([name]) => name), COLUMNS.map(() => "---")];
  for (const outcome of outcomes) rows.push(COLUMNS.map(([, show]) => show(outcome)));
  return rows.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** Puts text between the page's markers. Throws where it has none. */
export function writeFigures(text: string): void {
  const page = readFileSync(PAGE, "utf8");
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`${PAGE} has no markers "${BEGIN}" and "${END}"`);
  writeFileSync(PAGE, `${page.slice(0, from + BEGIN.length)}\n${text}\n${page.slice(to)}`);
}

/** What stands between the page's markers. */
export function writtenFigures(): string {
  const page = readFileSync(PAGE, "utf8");
  return page.slice(page.indexOf(BEGIN) + BEGIN.length, page.indexOf(END));
}

/** What each scenario does, as a table in Markdown. */
export function scenarioTable(): string {
  const rows = SCENARIOS.map(({ name, what, backlogWithinMs }) => `| ${name} | ${what} | ${backlogWithinMs / 1000} s |`);
  return ["| scenario | what is done | nothing waits after, at most |", "| --- | --- | --- |", ...rows].join("\n");
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}

function seconds(value: number): string {
  return `${(value / 1000).toFixed(1)} s`;
}

function ms(value: number): string {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}
