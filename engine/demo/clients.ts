import type { RecordedName } from "./recorded.js";

/** A meter of the demo and how its readings come from a recorded series. */
export interface DemoMeter {
  readonly id: string;
  readonly series: RecordedName;
  /** `register`: the running sum. `interval`: each hour's energy. `level`: the value itself. */
  readonly sends: "register" | "interval" | "level";
  /** So many weeks into the series it begins, so that neighbours are not alike; the series goes on from its start. */
  readonly weeksAhead: number;
  /** The recorded energy is scaled by this. */
  readonly percent: number;
  /** What the register shows at the begin, in thousandths. */
  readonly begins: number;
  /** The register shows 0 again here, in thousandths. */
  readonly modulus: number;
  /** Every so many days the reading at noon is misread as 0; 0 for never. */
  readonly misreadEveryDays: number;
}

export interface DemoSite {
  readonly datalogger: string;
  readonly format: "binary" | "text";
  readonly meters: readonly DemoMeter[];
}

export interface DemoClient {
  readonly tenant: string;
  readonly title: string;
  readonly timezone: string;
  /** As they stand in a configuration. */
  readonly meters: readonly object[];
  readonly rules: readonly object[];
  readonly sites: readonly DemoSite[];
}

const SIX_DIGITS = 1_000_000_000;

function meter(id: string, series: RecordedName, more: Partial<DemoMeter> = {}): DemoMeter {
  return {
    id,
    series,
    sends: "register",
    weeksAhead: 0,
    percent: 100,
    begins: 0,
    modulus: SIX_DIGITS,
    misreadEveryDays: 0,
    ...more,
  };
}

/** A house with eight flats, a meter for the stairs' light, and a thermometer at the front door. */
function house(datalogger: string, format: "binary" | "text", first: number): DemoSite {
  const flats = Array.from({ length: 8 }, (_, i) => {
    const number = first + i;
    return meter(`flat-${String(number).padStart(2, "0")}`, "uk-electricity", {
      weeksAhead: number * 5,
      percent: 60 + ((number * 37) % 90),
      begins: 4_000_000 + number * 1_234_567,
    });
  });
  return {
    datalogger,
    format,
    meters: [
      ...flats,
      meter(`stairs-${datalogger}`, "uk-electricity", { sends: "interval", weeksAhead: 3, percent: 15 }),
      meter(`temp-${datalogger}`, "uk-temperature", { sends: "level" }),
    ],
  };
}

const camden = house("camden-house", "binary", 1);
const hackney = house("hackney-yard", "text", 11);
/** One register rolls over within the first days, and one is misread every nine. */
const withQuirks: DemoSite = {
  ...camden,
  meters: camden.meters.map((one, i) => {
    if (i === 2) return { ...one, begins: SIX_DIGITS - 20_000 };
    return i === 4 ? { ...one, misreadEveryDays: 9 } : one;
  }),
};

function tower(name: string, weeksAhead: number, percent: number): DemoSite {
  return {
    datalogger: name,
    format: "binary",
    meters: [
      meter(`elec-${name}`, "chicago-electricity", { weeksAhead, percent, begins: 52_000_000 }),
      meter(`gas-${name}`, "chicago-gas", { weeksAhead, percent, begins: 7_100_000 }),
    ],
  };
}

/** Three clients in two time zones; their figures follow real households and real weather. */
export const DEMO_CLIENTS: readonly DemoClient[] = [
  {
    tenant: "thames-homes",
    title: "a housing association in London",
    timezone: "Europe/London",
    meters: [
      { match: "temp-*", kind: "gauge", unit: "°C" },
      { match: "stairs-*", kind: "interval", unit: "kWh", interval: "1h", maxRate: 10 },
      { match: "*", kind: "counter", unit: "kWh", maxRate: 23, modulus: 1_000_000 },
    ],
    rules: [
      { id: "busy-hour", meters: "flat-*", on: "hour", op: ">", threshold: 1.6, clear: 1, severity: "warning" },
      {
        id: "night-load",
        meters: "flat-*",
        on: "rate",
        op: ">",
        threshold: 0.6,
        clear: 0.4,
        for: "1h",
        schedule: { days: [1, 2, 3, 4, 5, 6, 7], from: "01:00", to: "05:00" },
        severity: "info",
      },
      { id: "frost", meters: "temp-*", on: "value", op: "<", threshold: 0, clear: 1, severity: "critical" },
    ],
    sites: [withQuirks, hackney],
  },
  {
    tenant: "lakeside-property",
    title: "a property firm in Chicago, electricity and gas",
    timezone: "America/Chicago",
    meters: [
      { match: "gas-*", kind: "counter", unit: "therm", maxRate: 20 },
      { match: "*", kind: "counter", unit: "kWh", maxRate: 80 },
    ],
    rules: [
      { id: "peak-load", meters: "elec-*", on: "rate", op: ">", threshold: 12, clear: 8, severity: "critical" },
      { id: "gas-day", meters: "gas-*", on: "day", op: ">", threshold: 9, severity: "warning" },
    ],
    sites: [tower("north", 0, 100), tower("south", 9, 80), tower("marina", 31, 140), tower("annex", 52, 45)],
  },
  {
    tenant: "sky-watch",
    title: "a weather station at Greenwich",
    timezone: "Europe/London",
    meters: [{ match: "*", kind: "gauge", unit: "°C", decimals: 2 }],
    rules: [
      { id: "frost", on: "value", op: "<", threshold: 0, clear: 1, severity: "warning" },
      { id: "heat", on: "value", op: ">", threshold: 27, clear: 25, for: "2h", severity: "warning" },
    ],
    sites: [{ datalogger: "greenwich", format: "text", meters: [meter("air", "uk-temperature", { sends: "level" })] }],
  },
];
