import type { ReadingExplanation } from "../../engine/base/explanation.js";
import { Flag, flagNames } from "../../engine/base/flags.js";
import { Case, RecordType } from "../kernels/record.js";
import { lookAheadOf, nextOf } from "./explain-period.js";
import { deltaOf } from "./explain-records.js";
import type { Judged, JudgedRun } from "./explain-run.js";
import { iso, orNull, scaleOf, wholeOf } from "./explain-whole.js";
import { flagWhy, ruleOf } from "./explain-words.js";

type Figure = Omit<ReadingExplanation, "meter" | "pending">;

/** What lies behind the delta of the reading at `ts`; null where the run kept none. The run has been fed its successor, if there is one. */
export function explainReading(run: JudgedRun, ts: number): Figure | null {
  const { judged } = run;
  const index = judged.findIndex(({ record }) => record.ts === ts && record.type === RecordType.READING);
  const found = judged[index];
  if (found === undefined) return null;
  const { record, base } = found;
  const { settings } = record;
  const isNewest = nextOf(judged, index) === null;
  const next = lookAheadOf(judged, index);
  const scale = scaleOf(settings.settings);
  const register = (units: number) => units / 10 ** settings.settings.decimals;
  const hasBase = !settings.isInterval && !Number.isNaN(base.ts);
  const exchanged = base.exchanged && record.case !== Case.SPIKE;
  const returned = settings.isCounter && record.case === Case.RETURN;
  const figure: Figure = {
    ...{ kind: settings.settings.kind, unit: settings.settings.unit, timezone: settings.settings.timezone },
    period: "reading",
    figure: {
      ts: iso(ts),
      value: record.value,
      delta: orNull(settings.shownAmount(record.delta, record.deltaLow)),
      flags: flagNames(record.flags),
      rev: record.rev,
    },
    running: isNewest,
    provisional: isNewest && !settings.isLine,
    flags: flagNames(record.flags).map((flag) => ({ flag, why: flagWhy(found, Flag[flag]) })),
    units: record.units,
    baseline: hasBase ? { ts: iso(base.ts), value: register(base.units), units: base.units } : null,
    next:
      next === null
        ? null
        : {
            what: next.type === RecordType.READING ? "reading" : "exchange",
            ts: iso(next.ts),
            value: next.value,
            units: next.units,
          },
    moved: hasBase && settings.isCounter ? wholeOf(record.units - base.units) : null,
    bound: boundOf(found),
    jitter: settings.jitter,
    epoch: returned ? { beforeTs: iso(base.beforeTs), beforeUnits: base.beforeUnits, countedUnits: base.counted } : null,
    rule: ruleOf(found, next),
    counted: countedOf(found),
    exchanges: exchanged ? exchangesBefore(judged, index) : [],
    closedUnits: exchanged ? orNull(base.closed) : null,
    delta: deltaOf(record),
    scale,
    divisor: settings.isPower ? scale.divisor * 7_200_000 : scale.divisor,
    recompute: "",
    settings: settings.settings,
  };
  figure.recompute = recomputeText(figure);
  return figure;
}

function boundOf({ record, base }: Judged): ReadingExplanation["bound"] {
  const { settings } = record;
  if (!settings.isBounded || settings.isLine) return null;
  if (settings.isInterval) return wholeOf(settings.mostIn(settings.intervalLength(record.ts)));
  return Number.isNaN(base.ts) ? null : wholeOf(settings.bound(base.ts, record.ts));
}

function countedOf({ record }: Judged): ReadingExplanation["counted"] {
  const { settings } = record;
  if (settings.isLine) return deltaOf(record);
  if (settings.isCounter && record.case === Case.SPIKE) return 0;
  return Number.isNaN(record.amount) ? null : wholeOf(record.amount);
}

/** Exchanges declared since the last accepted reading before `index`. */
function exchangesBefore(judged: readonly Judged[], index: number): ReadingExplanation["exchanges"] {
  const list: ReadingExplanation["exchanges"] = [];
  for (let i = index - 1; i >= 0 && !judged[i]!.record.accepted; i--) {
    const each = judged[i]!;
    const { record } = each;
    if (record.type !== RecordType.EXCHANGE || Number.isNaN(record.value)) continue;
    const { text } = ruleOf(each, null);
    list.unshift({ ts: iso(record.ts), final: record.value, start: record.start, units: orNull(record.amount), text });
  }
  return list;
}

function recomputeText(figure: Figure): string {
  const { delta, counted, closedUnits, scale, divisor } = figure;
  if (delta === null)
    return figure.kind === "gauge" ? "A gauge's reading has no delta." : "What was counted is unknown, so the delta is too.";
  const unit = figure.unit === "" ? "" : ` ${figure.unit}`;
  const shown = `${figure.figure.delta}${unit}`;
  if (figure.kind === "power") {
    return `The area below the line is ${delta} half units × ms. × ${scale.digits} ÷ (7200000 × ${scale.divisor}) = ${shown}.`;
  }
  const sum =
    closedUnits === null ? `${delta}` : `${counted ?? 0} counted by the rule + ${closedUnits} closed by the exchange = ${delta}`;
  return `${sum} units of 10^-${scale.decimals}. × ${scale.digits} ÷ ${divisor} = ${shown}.`;
}
