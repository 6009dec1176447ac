import { type Fault, pathText } from "./fault.js";

export type JsonResult = { value: unknown; faults: Fault[] } | { faults: [Fault, ...Fault[]] };

/**
 * Reads JSON and says where it is not: line and column, which `JSON.parse` leaves out. A name that
 * comes twice in one object is a fault too, since all but its last value would be lost without a word.
 */
export function parseJson(text: string): JsonResult {
  const walk = new JsonWalk(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
  const fault = walk.run();
  if (fault !== null) return { faults: [fault] };
  return { value: JSON.parse(walk.text) as unknown, faults: walk.twice };
}

class Stop extends Error {
  readonly at: number;
  readonly expected: string;
  constructor(at: number, expected: string) {
    super(expected);
    this.at = at;
    this.expected = expected;
  }
}

/** Deeper nesting than any configuration has: refused, so that no file can exhaust the stack. */
const MAX_DEPTH = 64;

class JsonWalk {
  readonly text: string;
  readonly twice: Fault[] = [];
  #at = 0;
  readonly #path: (string | number)[] = [];

  constructor(text: string) {
    this.text = text;
  }

  run(): Fault | null {
    try {
      this.#value();
      this.#space();
      if (this.#at < this.text.length) throw new Stop(this.#at, "the end of the file");
      return null;
    } catch (error) {
      if (!(error instanceof Stop)) throw error;
      return this.#fault(error);
    }
  }

  #fault(stop: Stop): Fault {
    const before = this.text.slice(0, stop.at);
    const line = before.split("\n").length;
    const column = stop.at - before.lastIndexOf("\n");
    const character = this.text[stop.at];
    const found = character === undefined ? "the end of the file" : JSON.stringify(character);
    return {
      path: "",
      found: `${found} at line ${line}, column ${column}`,
      allowed: `JSON: ${stop.expected} is expected there`,
      remedy: "Correct it there: JSON has no comments and no trailing commas.",
    };
  }

  #space(): void {
    while (" \t\n\r".includes(this.text[this.#at] ?? "x")) this.#at++;
  }

  #value(): void {
    this.#space();
    const character = this.text[this.#at];
    if (this.#path.length > MAX_DEPTH) throw new Stop(this.#at, `nesting of at most ${MAX_DEPTH}`);
    if (character === "{") this.#object();
    else if (character === "[") this.#array();
    else if (character === '"') this.#string("a value");
    else {
      const word = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)/y;
      word.lastIndex = this.#at;
      const match = word.exec(this.text);
      if (match === null) throw new Stop(this.#at, "a value");
      this.#at += match[0].length;
    }
  }

  #object(): void {
    const names = new Set<string>();
    this.#at++;
    this.#space();
    if (this.#take("}")) return;
    do {
      this.#space();
      const name = this.#string("a name in double quotes");
      this.#path.push(name);
      if (names.has(name)) this.#nameTwice();
      names.add(name);
      this.#space();
      if (!this.#take(":")) throw new Stop(this.#at, "a colon");
      this.#value();
      this.#path.pop();
      this.#space();
    } while (this.#take(","));
    if (!this.#take("}")) throw new Stop(this.#at, "a comma or }");
  }

  #array(): void {
    this.#at++;
    this.#space();
    if (this.#take("]")) return;
    let index = 0;
    do {
      this.#path.push(index++);
      this.#value();
      this.#path.pop();
      this.#space();
    } while (this.#take(","));
    if (!this.#take("]")) throw new Stop(this.#at, "a comma or ]");
  }

  #string(expected: string): string {
    const start = this.#at;
    if (!this.#take('"')) throw new Stop(start, expected);
    while (this.text[this.#at] !== '"') {
      const escaped = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
      escaped.lastIndex = this.#at;
      if (escaped.test(this.text)) this.#at = escaped.lastIndex;
      else if (this.text[this.#at] !== "\\" && this.text.charCodeAt(this.#at) >= 0x20) this.#at++;
      else throw new Stop(this.#at, "the rest of a string and its closing quote");
    }
    this.#at++;
    return JSON.parse(this.text.slice(start, this.#at)) as string;
  }

  #take(character: string): boolean {
    if (this.text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #nameTwice(): void {
    this.twice.push({
      path: pathText(this.#path),
      found: "the same name twice in one object",
      allowed: "each name once",
      remedy: "Remove one of them: only the last would count.",
    });
  }
}
