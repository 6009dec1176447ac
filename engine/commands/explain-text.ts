import type {
  ExplainedRecord,
  ExplainedRun,
  Explanation,
  MonthExplanation,
  PeriodExplanation,
  ReadingExplanation,
  Whole,
} from "../base/explanation.js";
import { decimalText, durationText } from "../base/plain-text.js";
import { LocalClock } from "./local-clock.js";
import { table } from "./text-table.js";

/** Digits of amounts of power, which are quotients, in a table; the last line has the figure itself. */
const ENERGY_DIGITS = 6;

/** An explanation as lines for people: what the figure is, the readings behind it with their shares, what is remarkable, and the sum. */
export function explanationText(explanation: Explanation): string[] {
  const clock = new LocalClock(explanation.timezone);
  const body =
    explanation.period === "reading"
      ? readingLines(explanation, clock)
      : explanation.period === "month"
        ? monthLines(explanation, clock)
        : periodLines(explanation, clock);
  return [...body, ...noteLines(explanation), "", explanation.recompute];
}

function heading(explanation: Explanation, what: string, value: number | null): string {
  const { meter, unit, running } = explanation;
  const figure = value === null ? "unknown" : `${value}${unit === "" ? "" : ` ${unit}`}`;
  return `${meter}, ${what}: ${figure}${running ? " so far" : ""}`;
}

function periodLines(explanation: PeriodExplanation, clock: LocalClock): string[] {
  const { figure, period, localDate, ts, end, lengthMs, records, kind } = explanation;
  const what = period === "day" ? `day ${localDate}` : `${period} of ${clock.text(ts)}`;
  const [isPower, isGauge] = [kind === "power", kind === "gauge"];
  const titles = [
    "time",
    kind === "counter" ? "register" : "value",
    isPower || isGauge ? "" : "counted",
    `in this ${period}`,
    "why",
  ];
  const rows = records.map((record) => rowOf(explanation, clock, record));
  const first = firstBaseline(explanation, clock);
  return [
    heading(explanation, what, figure.value),
    `${clock.text(ts)} to ${clock.text(end)} (${clock.zone}), ${durationText(lengthMs)}; ${percent(figure.coverage)} covered, ${readingsText(figure.readings)}`,
    ...multiplierLines(explanation),
    ...(figure.min === null
      ? []
      : [`least ${figure.min}, most ${figure.max}, on the lines between readings within the ${period}`]),
    "",
    ...table([titles, ...(first === null ? [] : [first]), ...rows, ...sumRow(explanation)]),
  ];
}

function multiplierLines({ settings }: Explanation): string[] {
  return settings.multiplier === 1 ? [] : [`amounts are the register's × ${settings.multiplier}`];
}

function readingsText(readings: number): string {
  return `${readings} ${readings === 1 ? "reading" : "readings"}`;
}

/** The parts added; a mean is no sum. */
function sumRow(explanation: PeriodExplanation): string[][] {
  const { part, kind } = explanation;
  return part === null || kind === "gauge" ? [] : [["sum", "", "", partText(explanation, part), ""]];
}

/** What the first stretch starts from, unless that is a reading of the list. */
function firstBaseline({ records, settings, kind }: PeriodExplanation, clock: LocalClock): string[] | null {
  const first = records.find((record) => record.what === "run" || record.segment !== null);
  if (first === undefined || kind === "interval") return null;
  const [from, units] = first.what === "run" ? [first.from, first.fromUnits] : [first.segment!.from, first.segment!.fromUnits];
  const isListed = records.some((record) => record.what !== "run" && record.ts === from);
  return units === null || isListed
    ? null
    : [clock.text(from), decimalText(units, settings.decimals), "", "", "where the first stretch begins"];
}

function rowOf(explanation: PeriodExplanation, clock: LocalClock, record: ExplainedRecord | ExplainedRun): string[] {
  const { settings } = explanation;
  if (record.what === "run") {
    const why = `${record.readings} readings up to then, each ordinary and wholly within`;
    return [clock.text(record.to), decimalText(record.toUnits, settings.decimals), "", partText(explanation, record.part), why];
  }
  const { segment, rule, flags, what } = record;
  const value = decimalText(record.units, settings.decimals);
  const marks = flags.length === 0 ? "" : ` [${flags.join(", ")}]`;
  const why = `${what === "exchange" ? "exchange declared: " : ""}${rule.text}${marks}`;
  const share = segment === null ? "" : shareText(explanation, segment);
  return [clock.text(record.ts), value, countedText(explanation, record), share, why];
}

function countedText(explanation: PeriodExplanation, { segment, delta, what }: ExplainedRecord): string {
  if (explanation.kind === "power" || explanation.kind === "gauge") return "";
  if (segment !== null && segment.units !== null) return amountText(explanation, segment.units);
  if (delta !== null) return amountText(explanation, delta);
  return what === "exchange" ? "" : "unknown";
}

/** The part of a segment, and which share of its time lies within where that is not all of it. */
function shareText(explanation: PeriodExplanation, segment: NonNullable<ExplainedRecord["segment"]>): string {
  const insideMs = Date.parse(segment.until) - Date.parse(segment.begin);
  const part =
    explanation.kind === "gauge" ? `mean ${meanText(explanation, segment.part, insideMs)}` : partText(explanation, segment.part);
  if (insideMs === segment.ms) return part;
  return `${part} (${durationText(insideMs)} of ${durationText(segment.ms)}${segment.estimated ? ", estimated" : ""})`;
}

function partText(explanation: PeriodExplanation, part: Whole): string {
  if (explanation.kind === "power") return rounded(quotient(explanation, part, 7_200_000));
  return explanation.kind === "gauge" ? "" : amountText(explanation, part);
}

function meanText(explanation: PeriodExplanation, area: Whole, ms: number): string {
  return rounded(quotient(explanation, area, 2 * ms));
}

function quotient({ scale }: PeriodExplanation, amount: Whole, divisor: number): number {
  return Number(BigInt(amount) * BigInt(scale.digits)) / (divisor * scale.divisor);
}

function rounded(value: number): string {
  return String(Number(value.toPrecision(ENERGY_DIGITS)));
}

/** Whole units in the meter's unit, exactly. */
function amountText({ scale }: Explanation, units: Whole): string {
  const shown = (BigInt(units) * BigInt(scale.digits)).toString();
  return decimalText(shown, Math.round(Math.log10(scale.divisor)));
}

function readingLines(explanation: ReadingExplanation, clock: LocalClock): string[] {
  const { figure, baseline, next, rule, exchanges, kind, settings } = explanation;
  const at = clock.text(figure.ts);
  const rows = [
    ...(baseline === null ? [] : [["before", clock.text(baseline.ts), decimalText(baseline.units, settings.decimals), ""]]),
    ["reading", at, decimalText(explanation.units, settings.decimals), figure.rev === 0 ? "" : `revision ${figure.rev}`],
    ...(next === null
      ? [["next", "", "none yet", ""]]
      : [
          [
            "next",
            clock.text(next.ts),
            decimalText(next.units, settings.decimals),
            next.what === "exchange" ? "an exchange" : "",
          ],
        ]),
  ];
  const value = kind === "gauge" ? figure.value : figure.delta;
  return [
    heading(explanation, `${kind === "gauge" ? "level" : "delta"} of the reading at ${at} (${clock.zone})`, value),
    ...multiplierLines(explanation),
    "",
    ...table(rows),
    "",
    `${rule.text}.`,
    ...exchanges.map((exchange) => `Exchange declared at ${clock.text(exchange.ts)}: ${exchange.text}.`),
  ];
}

function monthLines(explanation: MonthExplanation, clock: LocalClock): string[] {
  const { figure, ts, localDate, days } = explanation;
  const rows: string[][] = [];
  for (let i = 0; i < days.length; i++) {
    const day = days[i]!;
    const first = i;
    while (!day.hasRow && days[i + 1]?.hasRow === false) i++;
    const date = i === first ? day.localDate : `${day.localDate} to ${days[i]!.localDate}`;
    const value = day.value === null ? (day.hasRow ? "unknown" : "no row") : String(day.value);
    rows.push([date, value, percent(day.coverage), day.flags.join(", ")]);
  }
  return [
    heading(explanation, `month ${localDate.slice(0, 7)}`, figure.value),
    `from ${clock.text(ts)} (${clock.zone}); ${percent(figure.coverage)} covered, ${readingsText(figure.readings)}`,
    "",
    ...table([["day", "value", "covered", "flags"], ...rows]),
  ];
}

function noteLines({ flags, provisional, running, pending, period }: Explanation): string[] {
  const notes = flags.map(({ flag, why }) => `${flag}: ${why}.`);
  if (running)
    notes.push(
      period === "reading" ? "It is the meter's newest reading." : `The ${period} is not over; this is what is known so far.`,
    );
  else if (provisional) notes.push("It rests on the meter's newest reading, which the next one may show in another light.");
  if (pending > 0)
    notes.push(`${pending} late ${pending === 1 ? "input waits" : "inputs wait"} to be worked in; the figure may change.`);
  return notes.length === 0 ? [] : ["", ...notes];
}

function percent(share: number): string {
  return `${Number((100 * share).toFixed(2))} %`;
}
