import { questDbSkip } from "../support/questdb.js";
import { Random } from "../support/random.js";
import { redisSkip } from "../support/redis.js";
import { until } from "../support/servers.js";
import { SmallDisk } from "../support/small-disk.js";
import { Arena, type ArenaKind } from "./arena.js";
import { check } from "./checker.js";
import { type Length, type Outcome, runScenario, seenOf } from "./run.js";
import { SCENARIOS, type Scenario } from "./scenarios.js";

const AT_THE_END_MS = 10_000;

/** False when a scenario can run here, else why not. */
export function skipOf({ arena, name }: Scenario): string | false {
  const questDb = questDbSkip();
  if (questDb !== false) return questDb;
  if (arena === "disks") return SmallDisk.skip();
  return name.startsWith("redis") ? redisSkip() : false;
}

/** Each scenario has chances of its own, so that one that failed is the same when it runs alone. */
export function chancesOf(seed: number, { name }: Scenario): Random {
  return new Random(seed + 1_000 * SCENARIOS.findIndex((scenario) => scenario.name === name));
}

/** One arena, in which scenarios are run one after the other. */
export class Rounds {
  readonly #arena: Arena;
  readonly #length: Length;
  readonly #seed: number;
  readonly #outcomes: Outcome[] = [];

  private constructor(arena: Arena, length: Length, seed: number) {
    this.#arena = arena;
    this.#length = length;
    this.#seed = seed;
  }

  static async open(kind: ArenaKind, length: Length, seed: number): Promise<Rounds> {
    return new Rounds(await Arena.open(kind), length, seed);
  }

  async run(scenario: Scenario): Promise<Outcome> {
    const outcome = await runScenario(
      this.#arena,
      scenario,
      SCENARIOS.indexOf(scenario),
      this.#length,
      chancesOf(this.#seed, scenario),
    );
    this.#outcomes.push(outcome);
    return outcome;
  }

  /** What was acked in any scenario is still there after all of them; resolves with what is wrong, in words. */
  async allStillThere(): Promise<string[]> {
    let wrong: string[] = [];
    await until("all is there", AT_THE_END_MS, async () => {
      wrong = [];
      for (const { scenario, records } of this.#outcomes) {
        const seen = await seenOf(this.#arena, scenario, records);
        const { findings } = check({
          ...{ loggers: records, seen, others: null, memory: { peakMiB: 0, boundMiB: 0 } },
          backlog: { goneMs: 0, withinMs: 0 },
        });
        wrong.push(...findings.map(({ promise, what }) => `${scenario}: ${promise}: ${what}`));
      }
      return wrong.length === 0;
    }).catch((error: unknown) => {
      if (wrong.length === 0) throw error;
    });
    return wrong;
  }

  /** The last that the engine said. */
  logs(): string {
    return this.#arena.engine.logs().slice(-4_000);
  }

  close(): Promise<void> {
    return this.#arena.close();
  }
}
