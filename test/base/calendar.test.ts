import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { calendarFor } from "../../engine/base/calendar.js";
import { PERIODS } from "../../engine/base/entries.js";
import { MeterstormError } from "../../engine/base/errors.js";

const QUARTER = 0;
const HOUR = 1;
const MINUTE_MS = 60_000;

const at = (text: string) => Date.parse(text);
const iso = (ts: number) => new Date(ts).toISOString().replace(":00.000Z", "Z");

/** The periods of one local day: where it begins and ends, how many there are, and the lengths (minutes) that are odd. */
function dayOf(zone: string, inside: string, period: number) {
  const calendar = calendarFor(zone);
  const start = calendar.dayStart(at(inside));
  const end = calendar.dayEnd(at(inside));
  const usual = period === QUARTER ? 15 : 60;
  const odd: number[] = [];
  let count = 0;
  for (let ts = start; ts < end; ts = calendar.end(period, ts)) {
    assert.equal(calendar.start(period, ts), ts);
    const minutes = (calendar.end(period, ts) - ts) / MINUTE_MS;
    if (minutes !== usual) odd.push(minutes);
    count++;
  }
  return [calendar.localDate(at(inside)), iso(start), iso(end), count, ...odd];
}

test("a day in Madrid has 23 hours when the clock goes forward and 25 when it goes back", () => {
  const spring = ["2026-03-29", "2026-03-28T23:00Z", "2026-03-29T22:00Z"];
  assert.deepEqual(dayOf("Europe/Madrid", "2026-03-29T12:00Z", HOUR), [...spring, 23]);
  assert.deepEqual(dayOf("Europe/Madrid", "2026-03-29T12:00Z", QUARTER), [...spring, 92]);
  const autumn = ["2026-10-25", "2026-10-24T22:00Z", "2026-10-25T23:00Z"];
  assert.deepEqual(dayOf("Europe/Madrid", "2026-10-25T12:00Z", HOUR), [...autumn, 25]);
  assert.deepEqual(dayOf("Europe/Madrid", "2026-10-25T12:00Z", QUARTER), [...autumn, 100]);
});

test("London and Chicago change on their own dates", () => {
  assert.deepEqual(dayOf("Europe/London", "2026-03-29T12:00Z", HOUR), [
    "2026-03-29",
    "2026-03-29T00:00Z",
    "2026-03-29T23:00Z",
    23,
  ]);
  assert.deepEqual(dayOf("America/Chicago", "2026-11-01T12:00Z", HOUR), [
    "2026-11-01",
    "2026-11-01T05:00Z",
    "2026-11-02T06:00Z",
    25,
  ]);
  assert.deepEqual(dayOf("America/Chicago", "2026-10-25T12:00Z", HOUR), [
    "2026-10-25",
    "2026-10-25T05:00Z",
    "2026-10-26T05:00Z",
    24,
  ]);
});

test("half an hour back on Lord Howe makes 25 hour rows, one of 30 minutes", () => {
  const day = ["2026-04-05", "2026-04-04T13:00Z", "2026-04-05T13:30Z"];
  assert.deepEqual(dayOf("Australia/Lord_Howe", "2026-04-05T02:00Z", HOUR), [...day, 25, 30]);
  assert.deepEqual(dayOf("Australia/Lord_Howe", "2026-04-05T02:00Z", QUARTER), [...day, 98]);
  const spring = ["2026-10-04", "2026-10-03T13:30Z", "2026-10-04T13:00Z"];
  assert.deepEqual(dayOf("Australia/Lord_Howe", "2026-10-04T02:00Z", HOUR), [...spring, 24, 30]);
  const calendar = calendarFor("Australia/Lord_Howe");
  assert.equal(iso(calendar.hourStart(at("2026-04-04T15:10Z"))), "2026-04-04T15:00Z");
  assert.equal(iso(calendar.hourEnd(at("2026-04-04T15:10Z"))), "2026-04-04T15:30Z");
});

test("offsets of 45 minutes move hours and days, and a new year cuts nothing", () => {
  const kathmandu = calendarFor("Asia/Kathmandu");
  assert.equal(iso(kathmandu.hourStart(at("2026-05-05T18:00Z"))), "2026-05-05T17:15Z");
  assert.equal(iso(kathmandu.hourEnd(at("2026-05-05T18:00Z"))), "2026-05-05T18:15Z");
  assert.equal(iso(kathmandu.dayStart(at("2026-05-05T18:15Z"))), "2026-05-05T18:15Z");
  assert.equal(iso(kathmandu.hourStart(at("2025-12-31T23:59Z"))), "2025-12-31T23:15Z");
  assert.equal(iso(kathmandu.hourEnd(at("2025-12-31T23:59Z"))), "2026-01-01T00:15Z");
  assert.equal(iso(kathmandu.hourStart(at("2026-01-01T00:00Z"))), "2025-12-31T23:15Z");
  assert.deepEqual(dayOf("Pacific/Chatham", "2026-04-05T02:00Z", HOUR), [
    ...["2026-04-05", "2026-04-04T10:15Z", "2026-04-05T11:15Z"],
    // 03:45 becomes 02:45: the hours before and after the change are cut there.
    ...[26, 45, 15],
  ]);
});

test("a day begins at 01:00 where midnight does not exist", () => {
  assert.deepEqual(dayOf("Asia/Beirut", "2021-03-28T02:00Z", HOUR), ["2021-03-28", "2021-03-27T22:00Z", "2021-03-28T21:00Z", 23]);
  assert.equal(calendarFor("Asia/Beirut").minuteOfDay(at("2021-03-27T22:00Z")), 60);
});

test("a clock that goes back over midnight lengthens the day that it goes back into, and none comes twice", () => {
  // 00:00 becomes 23:00.
  assert.deepEqual(dayOf("America/Sao_Paulo", "2018-02-18T01:00Z", HOUR), [
    "2018-02-17",
    "2018-02-17T02:00Z",
    "2018-02-18T03:00Z",
    25,
  ]);
  // 01:00 becomes 00:00.
  assert.deepEqual(dayOf("America/Havana", "2026-11-01T12:00Z", HOUR), [
    "2026-11-01",
    "2026-11-01T04:00Z",
    "2026-11-02T05:00Z",
    25,
  ]);
  // 00:01 becomes 23:01 of the day before: the new day has begun, and keeps that hour.
  assert.deepEqual(dayOf("America/St_Johns", "2010-11-07T02:45Z", HOUR), [
    ...["2010-11-07", "2010-11-07T02:30Z", "2010-11-08T03:30Z"],
    ...[26, 1, 59],
  ]);
});

test("a date that was skipped has no day", () => {
  const day29 = ["2011-12-29", "2011-12-29T10:00Z", "2011-12-30T10:00Z", 24];
  assert.deepEqual(dayOf("Pacific/Apia", "2011-12-30T09:59Z", HOUR), day29);
  assert.deepEqual(dayOf("Pacific/Apia", "2011-12-30T10:00Z", HOUR), [
    "2011-12-31",
    "2011-12-30T10:00Z",
    "2011-12-31T10:00Z",
    24,
  ]);
});

test("a month is bounded by its days", () => {
  const madrid = calendarFor("Europe/Madrid");
  assert.equal(iso(madrid.monthStart(at("2026-03-31T21:59Z"))), "2026-02-28T23:00Z");
  assert.equal(iso(madrid.monthEnd(at("2026-03-31T21:59Z"))), "2026-03-31T22:00Z");
  assert.equal(iso(madrid.monthStart(at("2026-03-31T22:00Z"))), "2026-03-31T22:00Z");
  assert.equal(iso(madrid.monthStart(at("2026-01-01T00:00Z"))), "2025-12-31T23:00Z");
  assert.equal(iso(madrid.monthEnd(at("2025-12-15T00:00Z"))), "2025-12-31T23:00Z");
  const apia = calendarFor("Pacific/Apia");
  assert.equal(iso(apia.monthStart(at("2011-12-30T12:00Z"))), "2011-12-01T10:00Z");
  assert.equal(iso(apia.monthEnd(at("2011-12-30T12:00Z"))), "2011-12-31T10:00Z");
});

test("weekdays and minutes are those of the wall clock", () => {
  const madrid = calendarFor("Europe/Madrid");
  assert.equal(madrid.dayOfWeek(at("2026-11-22T22:59Z")), 7);
  assert.equal(madrid.dayOfWeek(at("2026-11-22T23:00Z")), 1);
  assert.equal(madrid.minuteOfDay(at("2026-11-22T22:59:59Z")), 1439);
  assert.equal(madrid.minuteOfDay(at("2026-11-22T23:00Z")), 0);
});

test("a day earlier or later is the same time on the wall", () => {
  const shift = (zone: string, ts: string, days: 1 | -1) => iso(calendarFor(zone).shiftDay(at(ts), days));
  assert.equal(shift("Europe/Madrid", "2026-03-29T22:00Z", -1), "2026-03-28T23:00Z");
  assert.equal(shift("Europe/Madrid", "2026-10-24T22:00Z", 1), "2026-10-25T23:00Z");
  // 02:30 is skipped on the 29th, and comes twice on 25 October.
  assert.equal(shift("Europe/Madrid", "2026-03-28T01:30Z", 1), "2026-03-29T01:30Z");
  assert.equal(shift("Europe/Madrid", "2026-10-26T01:30Z", -1), "2026-10-25T00:30Z");
  assert.equal(shift("Asia/Beirut", "2021-03-26T22:00Z", 1), "2021-03-27T22:00Z");
  assert.equal(shift("Pacific/Apia", "2011-12-30T22:00Z", -1), "2011-12-29T22:00Z");
  assert.equal(shift("Pacific/Apia", "2011-12-29T22:00Z", 1), "2011-12-30T22:00Z");
});

test("an unknown zone is refused in words, and a year out of range is a fault of ours", () => {
  assert.throws(
    () => calendarFor("Europe/Atlantis"),
    (error) => error instanceof MeterstormError && error.code === "timezone_unknown" && error.message.includes("Europe/Atlantis"),
  );
  assert.throws(() => calendarFor("Europe/Madrid").hourStart(at("1998-12-31T23:00Z")), /1999 to 2101/);
  assert.throws(() => calendarFor("Europe/Madrid").dayStart(Number.NaN), /1999 to 2101/);
});

const ZONES = [
  ...["UTC", "Europe/Madrid", "Europe/London", "America/Chicago", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Chatham"],
  ...[
    "Asia/Beirut",
    "Pacific/Apia",
    "America/Havana",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Africa/Casablanca",
    "Asia/Pyongyang",
  ],
  ...["Asia/Gaza", "America/Caracas", "Pacific/Kiritimati", "Etc/GMT+12", "Africa/Cairo", "Antarctica/Troll"],
];

/** What Intl says of an instant, asked afresh: the date and the time of day, as text that sorts. */
const clocks = new Map(
  ZONES.map((timeZone) => [timeZone, new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "medium" })]),
);

function wall(zone: string, ts: number): { date: string; hour: string; minute: number; second: string } {
  const [date = "", time = ""] = (clocks.get(zone)?.format(ts) ?? "").split(" ");
  const [hour = "", minute = "", second = ""] = time.split(":");
  return { date, hour, minute: Number(minute), second };
}

/** Minutes from one instant to the next as the wall clock has it, against those that passed: not equal where the clock was changed. */
function clockJumps(zone: string, ts: number): boolean {
  const read = ({ date, hour, minute, second }: ReturnType<typeof wall>) =>
    Date.parse(`${date}T${hour}:${String(minute).padStart(2, "0")}:${second}Z`);
  return read(wall(zone, ts)) - read(wall(zone, ts - 1000)) !== 1000;
}

const aPlaceInTime = fc.oneof(
  fc.integer({ min: at("2000-01-01T00:00Z"), max: at("2100-01-01T00:00Z") }),
  // Weeks in which some zone above changes its clock.
  fc
    .tuple(
      fc.constantFrom(
        "2010-11-07",
        "2011-12-30",
        "2018-02-18",
        "2021-03-28",
        "2026-03-29",
        "2026-04-05",
        "2026-10-25",
        "2026-11-01",
      ),
      fc.integer({ min: -5 * 1440, max: 5 * 1440 }),
    )
    .map(([date, minutes]) => at(`${date}T00:00Z`) + minutes * MINUTE_MS),
);

test("periods tile time without gaps, and nest", () => {
  fc.assert(
    fc.property(fc.constantFrom(...ZONES), aPlaceInTime, (zone, ts) => {
      const calendar = calendarFor(zone);
      for (const period of PERIODS.keys()) {
        const start = calendar.start(period, ts);
        const end = calendar.end(period, ts);
        assert.ok(start <= ts && ts < end);
        assert.equal(calendar.start(period, start), start);
        assert.equal(calendar.end(period, start), end);
        assert.equal(calendar.start(period, end - 1), start);
        assert.equal(calendar.start(period, end), end);
        assert.equal(calendar.end(period, start - 1), start);
      }
      assert.ok(calendar.hourStart(ts) <= calendar.quarterStart(ts) && calendar.quarterEnd(ts) <= calendar.hourEnd(ts));
      assert.ok(calendar.dayStart(ts) <= calendar.hourStart(ts) && calendar.hourEnd(ts) <= calendar.dayEnd(ts));
      assert.ok(calendar.monthStart(ts) <= calendar.dayStart(ts) && calendar.dayEnd(ts) <= calendar.monthEnd(ts));
    }),
    { numRuns: 2000 },
  );
});

test("Intl agrees on the wall clock at every start", () => {
  fc.assert(
    fc.property(fc.constantFrom(...ZONES), aPlaceInTime, (zone, ts) => {
      const calendar = calendarFor(zone);
      for (const [period, minutes] of [
        [QUARTER, 15],
        [HOUR, 60],
      ] as const) {
        const start = calendar.start(period, ts);
        const last = calendar.end(period, ts) - 1000;
        assert.ok(wall(zone, start).minute % minutes === 0 || clockJumps(zone, start), "a start is a whole one or a change");
        assert.equal(wall(zone, start).hour, wall(zone, last).hour);
        assert.equal(Math.floor(wall(zone, start).minute / minutes), Math.floor(wall(zone, last).minute / minutes));
      }
      const start = calendar.dayStart(ts);
      assert.equal(calendar.localDate(ts), wall(zone, start).date);
      assert.ok(wall(zone, start - 1000).date < wall(zone, start).date);
      assert.ok(wall(zone, calendar.dayEnd(ts) - 1000).date <= wall(zone, start).date);
      const clock = wall(zone, ts);
      assert.equal(calendar.minuteOfDay(ts), Number(clock.hour) * 60 + clock.minute);
      assert.equal(calendar.dayOfWeek(ts), new Date(`${clock.date}T00:00Z`).getUTCDay() || 7);
      assert.equal(wall(zone, calendar.monthStart(ts)).date.slice(0, 7), calendar.localDate(ts).slice(0, 7));
    }),
    { numRuns: 2000 },
  );
});

test("a day has passed when a day is shifted, but for a change of the clock or of the date", () => {
  fc.assert(
    fc.property(fc.constantFrom(...ZONES), aPlaceInTime, fc.constantFrom(1 as const, -1 as const), (zone, ts, days) => {
      const shifted = calendarFor(zone).shiftDay(ts, days);
      const hours = ((shifted - ts) * days) / 3_600_000;
      assert.ok(hours >= 21 && hours <= 27, `${hours} hours`);
      const [from, to] = [wall(zone, ts), wall(zone, shifted)];
      if (hours === 24) assert.deepEqual([from.hour, from.minute], [to.hour, to.minute]);
    }),
  );
});
