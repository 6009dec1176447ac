/** One thing that is wrong in a configuration, said so that it can be put right without reading anything else. */
export interface Fault {
  /** Where, such as `tenants[0].meters[1].decimals`; empty for the file as a whole. */
  path: string;
  found: string;
  allowed: string;
  remedy: string;
}

/** Something that works as it stands and is probably not meant. */
export interface Warning {
  path: string;
  message: string;
}

export type Path = readonly (string | number | symbol)[];

export function pathText(path: Path): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else if (/^[A-Za-z_][A-Za-z0-9_]{0,59}$/.test(String(part))) text += text === "" ? String(part) : `.${String(part)}`;
    else text += `[${describe(String(part))}]`;
  }
  return text;
}

export function faultLine(fault: Fault): string {
  return `${fault.path === "" ? "the file" : fault.path}: found ${fault.found}; allowed: ${fault.allowed}. ${fault.remedy}`;
}

/** What was found, short enough for one line. A secret is described, never shown. */
export function describe(value: unknown, secret = false): string {
  if (value === undefined) return "nothing";
  if (typeof value === "string" && secret) return `a string of ${value.length} characters`;
  if (Array.isArray(value)) return value.length === 0 ? "an empty array" : `an array of ${value.length}`;
  if (typeof value === "object" && value !== null) return "an object";
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…"` : text;
}

/** The known name that was probably meant by `name`: at most a third of its letters differ. */
export function nearest(name: string, known: readonly string[]): string | null {
  let best: string | null = null;
  let least = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

/** Letters to insert, remove, replace or swap with their neighbour to get from one to the other. */
function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let k = 1; k <= b.length; k++) {
      const replace = row[k - 1]! + (a[i - 1] === b[k - 1] ? 0 : 1);
      const swapped = i > 1 && k > 1 && a[i - 1] === b[k - 2] && a[i - 2] === b[k - 1];
      next.push(Math.min(replace, row[k]! + 1, next[k - 1]! + 1, swapped ? before[k - 2]! + 1 : replace));
    }
    before = row;
    row = next;
  }
  return row[b.length]!;
}
