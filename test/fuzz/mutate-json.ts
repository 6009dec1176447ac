import type { Random } from "../support/random.js";
import { interestingNumber, mutateBytes } from "./mutate.js";

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** Texts that mean something to somebody on the way: to JavaScript, to a line protocol, to SQL, to a terminal, to a path. */
export const HOSTILE_TEXTS = [
  ...[
    "",
    " ",
    "\0",
    "\n",
    "\r\n",
    "\t",
    "\\",
    "'",
    '"',
    "a b,c=d\\e",
    "';drop table readings;--",
    "\u0024{x}",
    "../../etc",
    "%00",
    "%",
  ],
  ...["__proto__", "constructor", "toString", "hasOwnProperty", "null", "NaN", "-0", "1e999", "\ud800", "\udfff\ud800", "\ufeff"],
  ...[
    "é",
    "e\u0301",
    "😀",
    "\u2028",
    "\u202e",
    "*",
    "**?[a-z]",
    "a".repeat(128),
    "a".repeat(129),
    "ä".repeat(5000),
    "*a".repeat(40),
  ],
  ...["2026-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-01-01T24:00:00+00:00", "+275760-09-13T00:00:00Z", "2026-01-01"],
  ...["1h", "0s", "-1m", "999999999d", "10GiB", "1e400", "Europe/Madrid", "Etc/GMT+99", "UTC\0"],
];

/** Numbers as only a text can hold them: JSON.stringify would not write them. */
const HOSTILE_WORDS = [
  "1e999",
  "-1e999",
  "1e-400",
  "-0",
  "00",
  "0x10",
  "NaN",
  "Infinity",
  "9007199254740993",
  `1${"0".repeat(400)}`,
];

export function hostileText(random: Random): string {
  const text = random.pick(HOSTILE_TEXTS);
  return random.chance(0.2) ? text + random.pick(HOSTILE_TEXTS) : text;
}

function aValue(random: Random, depth = 0): Json {
  const kind = random.int(depth > 3 ? 4 : 7);
  if (kind === 0) return null;
  if (kind === 1) return random.chance(0.5);
  if (kind === 2) return interestingNumber(random);
  if (kind === 3) return hostileText(random);
  if (kind === 4) return Array.from({ length: random.int(4) }, () => aValue(random, depth + 1));
  if (kind === 5)
    return Object.fromEntries(Array.from({ length: random.int(3) }, () => [hostileText(random), aValue(random, depth + 1)]));
  return [];
}

interface Place {
  holder: Json[] | { [name: string]: Json };
  name: string | number;
}

function placesIn(value: Json, found: Place[] = []): Place[] {
  if (typeof value !== "object" || value === null) return found;
  for (const name of Array.isArray(value) ? value.keys() : Object.keys(value)) {
    found.push({ holder: value, name });
    placesIn((value as Record<string | number, Json>)[name]!, found);
  }
  return found;
}

function change(random: Random, root: Json, others: readonly Place[]): Json {
  const places = placesIn(root);
  if (places.length === 0 || random.chance(0.02)) return aValue(random);
  const { holder, name } = random.pick(places);
  const fields = holder as Record<string | number, Json>;
  const kind = random.int(7);
  if (kind === 0) fields[name] = aValue(random);
  else if (kind === 1 && others.length > 0) {
    const other = random.pick(others);
    fields[name] = structuredClone((other.holder as Record<string | number, Json>)[other.name]!);
  } else if (kind === 2) {
    if (Array.isArray(holder)) holder.splice(Number(name), 1);
    else delete fields[name];
  } else if (kind === 3) {
    if (Array.isArray(holder)) holder.splice(Number(name), 0, structuredClone(holder[Number(name)]!));
    else fields[random.chance(0.5) ? hostileText(random) : `${name}x`] = fields[name]!;
  } else if (kind === 4) fields[name] = interestingNumber(random);
  else if (kind === 5) fields[name] = hostileText(random);
  else if (typeof fields[name] === "string")
    fields[name] = fields[name].slice(random.int(fields[name].length + 1)) + hostileText(random);
  else fields[name] = aValue(random);
  return root;
}

/** A text of the JSON: as it is, or with numbers, names and nesting that JSON.stringify does not write. */
function textOf(random: Random, value: Json): string {
  const text = JSON.stringify(value) ?? "null";
  if (random.chance(0.85)) return text;
  const kind = random.int(4);
  if (kind === 0) return text.replace(/-?\d+(\.\d+)?/, random.pick(HOSTILE_WORDS));
  if (kind === 1) return text.replace(/"(\w+)":/, '"$1":0,"$1":');
  if (kind === 2) return text.replace(/(:|,)/, `$1${"[".repeat(random.pick([10, 64, 65, 5000]))}`);
  const depth = random.pick([64, 1000, 8000]);
  return text.replace(/[^:,[]+([,}\]])/, `${'{"a":'.repeat(depth)}0${"}".repeat(depth)}$1`);
}

/** JSON changed as a tree, and in one of five cases byte by byte. What is no JSON is changed byte by byte alone. */
export function mutateJson(random: Random, seeds: readonly Uint8Array[]): Uint8Array {
  const tree = random.chance(0.2) ? undefined : parsed(random.pick(seeds));
  if (tree === undefined) return mutateBytes(random, seeds);
  const others = placesIn(parsed(random.pick(seeds)) ?? null);
  let root = tree;
  for (let left = random.int(5); left > 0; left--) root = change(random, root, others);
  return new Uint8Array(Buffer.from(textOf(random, root)));
}

function parsed(bytes: Uint8Array): Json | undefined {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8")) as Json;
  } catch {
    return undefined;
  }
}
