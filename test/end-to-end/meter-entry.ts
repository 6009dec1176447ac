import type { MeterSettings } from "../../engine/base/settings.js";
import type { ConfigFile } from "../support/engine.js";

/** An entry of `meters` as it stands in a configuration, which ends in just these settings for the meters that it matches. */
export function meterEntry(match: string, settings: MeterSettings): ConfigFile {
  const { expectMs, maxGapMs, interval, ...same } = settings;
  return {
    ...{ match, ...same },
    expect: expectMs === null ? null : duration(expectMs),
    maxGap: duration(maxGapMs),
    interval: interval === "1d" ? interval : duration(interval),
  };
}

function duration(ms: number): string {
  return ms % 60_000 === 0 ? `${ms / 60_000}m` : `${ms}ms`;
}
