export const HOUR_MS = 3_600_000;
export const TS = Date.UTC(2026, 0, 1);
export const NOW = Date.now();

/** A reading that cannot be taken, and the code for it. */
export interface Faulty {
  code: string;
  /** As it stands in the frame: JSON has no other way to say Infinity than a number that is too large. */
  json: string;
}

function faulty(code: string, elements: readonly (string | object)[]): Faulty[] {
  return elements.map((element) => ({ code, json: typeof element === "string" ? element : JSON.stringify(element) }));
}

/** A reading that is right but for what is given. */
function but(change: string): string {
  const right: Record<string, string> = { meter: '"never"', ts: String(TS), value: "1" };
  for (const [, name, value] of change.matchAll(/(\w+)=(\S+)/g)) {
    if (value === "-") delete right[name!];
    else right[name!] = value!;
  }
  return `{${Object.entries(right)
    .map(([name, value]) => `"${name}":${value}`)
    .join(",")}}`;
}

/** Every way in which a reading in text can be wrong. */
export const FAULTY: Faulty[] = [
  ...faulty("meter_invalid", ["null", "7", '"never"', "true", "[]", "{}", `[["never",${TS},1]]`, `[null,${TS},1]`]),
  ...faulty(
    "meter_invalid",
    ["-", "null", "5", '""', "[]", '{"a":1}', "true"].map((meter) => but(`meter=${meter}`)),
  ),
  ...faulty(
    "meter_invalid",
    ["x".repeat(129), "🔌".repeat(129), "a\nb", "a\rb", "a\tb", "\0", "\u007f", "\u0085", "\u009f", "\ud800"].map((meter) => ({
      ...{ meter, ts: TS, value: 1 },
    })),
  ),
  ...faulty(
    "ts_invalid",
    ["-", "null", "true", '""', '"now"', "[]", "{}", "1e400", "-1e400", "8640000000000001", "-8640000000000001"].map((ts) =>
      but(`ts=${ts}`),
    ),
  ),
  ...faulty(
    "ts_invalid",
    [
      ...[
        "1767225600000",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00,5Z",
        "26-01-01T00:00:00Z",
      ],
      ...["2026-1-1T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-02-30T00:00:00Z", "2025-02-29T00:00:00Z"],
      ...[
        "2026-01-32T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:61Z",
        "2026-01-01T00:00:00+0100",
      ],
      ...[
        "2026-01-01T00:00:00+01",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+01:60",
        " 2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z ",
      ],
      ...["2026-01-01T00:00:00UTC", "+02026-01-01T00:00:00Z", `2026-01-01T00:00:00.${"0".repeat(100)}Z`, "２026-01-01T00:00:00Z"],
    ].map((ts) => ({ meter: "never", ts, value: 1 })),
  ),
  ...faulty(
    "ts_future",
    [NOW + HOUR_MS + 60_000, NOW + 24 * HOUR_MS, 8_639_999_999_999_999, "2199-12-31T23:59:59Z", "9999-12-31T23:59:59Z"].map(
      (ts) => ({
        ...{ meter: "never", ts, value: 1 },
      }),
    ),
  ),
  ...faulty(
    "ts_too_old",
    [
      0,
      -1,
      1,
      TS / 1000,
      946_684_799_999,
      946_684_799_999.9,
      -8_639_999_999_999_999,
      "1999-12-31T23:59:59.999Z",
      "2000-01-01T00:59:59+01:00",
      "0001-01-01T00:00:00Z",
    ].map((ts) => ({ meter: "never", ts, value: 1 })),
  ),
  ...faulty(
    "value_invalid",
    ["-", "null", "true", "false", '"1"', '""', '"NaN"', '"Infinity"', "[]", "[1]", "{}", "1e400", "-1e400"].map((value) =>
      but(`value=${value}`),
    ),
  ),
  ...faulty("value_invalid", [`["never",${TS}]`, `["never",${TS},null]`, `["never",${TS},"1"]`]),
  ...faulty(
    "value_out_of_range",
    ["9007199254741", "-9007199254741", "1e300", "-1e300", "1.7976931348623157e308", "9007199254740993"].map((value) =>
      but(`value=${value}`),
    ),
  ),
  ...faulty(
    "rev_invalid",
    ["-1", "0.5", "4294967296", "1e400", '"1"', "null", "true", "[]"].map((rev) => but(`rev=${rev}`)),
  ),
  ...faulty(
    "exchange_invalid",
    [
      "0",
      '"x"',
      "true",
      "[]",
      "{}",
      '{"final":1}',
      '{"start":1}',
      '{"final":"1","start":0}',
      '{"final":null,"start":0}',
      '{"final":1e400,"start":0}',
      '{"final":1e300,"start":0}',
    ].map((exchange) => but(`value=- exchange=${exchange}`)),
  ),
];

/** Times that are right, and the millisecond that each means. */
export const TIMES: [ts: string | number, ms: number][] = [
  [TS, TS],
  [TS + 0.75, TS],
  [946_684_800_000, 946_684_800_000],
  [NOW + HOUR_MS - 60_000, NOW + HOUR_MS - 60_000],
  ["2026-01-01T00:00:00Z", TS],
  ["2026-01-01t00:00:00z", TS],
  ["2026-01-01 00:00:00Z", TS],
  ["2026-01-01T00:00:00+00:00", TS],
  ["2026-01-01T00:00:00-00:00", TS],
  ["2026-01-01T01:00:00+01:00", TS],
  ["2025-12-31T13:00:00-11:00", TS],
  ["2026-01-01T05:45:00+05:45", TS],
  ["2026-01-01T00:00:00.5Z", TS + 500],
  ["2026-01-01T00:00:00.1239Z", TS + 123],
  ["2026-01-01T00:00:00.999999999999+00:00", TS + 999],
  ["2024-02-29T23:59:59.999Z", Date.UTC(2024, 2, 1) - 1],
  ["2000-01-01T00:00:00Z", 946_684_800_000],
];

/** Ids that are legal and unpleasant. */
export const IDS = [
  ...[
    "x".repeat(128),
    "🔌".repeat(128),
    "é".repeat(128),
    "a",
    " ",
    "  leading and trailing  ",
    "a,b",
    "a=b",
    "a\\b",
    "a\\,b",
    "\\",
    "a\\",
  ],
  ...[
    'a"b',
    '"',
    "'",
    "''",
    "a'b",
    "`",
    "$1",
    "$[x]{y}",
    "%",
    "%20",
    "%2F",
    "a/b",
    "/",
    "?",
    "#",
    "&",
    "a;b",
    "a--b",
    "/*",
    "*",
    "null",
    "NULL",
  ],
  ...[
    "NaN",
    "true",
    "0",
    "__proto__",
    "constructor",
    "🔌",
    "👩‍👩‍👧",
    "e\u0301",
    "\u00e9",
    "\u202e",
    "\u2028",
    "\u00a0",
    "\ufeff",
    "\ufeffa",
    "\ufffd",
    "日本",
  ],
];
