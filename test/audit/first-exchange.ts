import type { Series } from "../support/series-generator.js";

/** What an exchange at the very instant of the first reading closes may belong to a period that has no row. */
export function withoutFirstExchange({ settings, inputs }: Series): Series {
  const first = Math.min(...inputs.filter((input) => "value" in input).map(({ ts }) => ts));
  return { settings, inputs: inputs.filter((input) => "value" in input || input.ts !== first) };
}
