import type { TestContext } from "node:test";
import type { MeterSettings } from "../../engine/base/settings.js";
import type { Input } from "../reference/history.js";
import { createTenant, startEngineProcess } from "../support/engine.js";
import { startQuestDb } from "../support/questdb.js";
import { Random } from "../support/random.js";
import { until } from "../support/servers.js";
import { meterEntry } from "./meter-entry.js";
import { type Form, formsOf, MixedSender } from "./mixed-sender.js";
import { assertStored, type Expected, rowsAreShown, type StoredRows } from "./shown-rows.js";
import type { StoreType } from "./stage.js";
import { storedInDuckDb, storedInQuestDb } from "./stored-rows.js";

/** A meter with all that it sends, in order of arrival, and the rows in which that must end. */
export interface SentMeter extends Expected {
  readonly arrivals: readonly Input[];
}

const TENANT = "acme";
const FORMS: readonly Form[] = ["text", "binary", "post"];
/** Inputs of one meter that travel together, at most. */
const MOST_AT_ONCE = 4;
const SHOWN_WITHIN_MS = 60_000;

/** A generator of chances whose seed is told, and may be given as SEED. */
export function seededRandom(t: TestContext): Random {
  const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
  t.diagnostic(`SEED=${seed}`);
  return new Random(seed);
}

/** A client whose meters have just these settings. */
export function tenantOf(id: string, meters: readonly { meter: string; settings: MeterSettings }[]) {
  return createTenant(id, { meters: meters.map(({ meter, settings }) => meterEntry(meter, settings)) });
}

/**
 * An engine on a store of its own takes what every meter sends, each meter's inputs in their order of arrival, and must end in the meters' rows:
 * as the API shows them, and as the store has them.
 */
export async function endsInItsRows(t: TestContext, storeType: StoreType, meters: readonly SentMeter[]): Promise<void> {
  const random = seededRandom(t);
  const questDb = storeType === "questdb" ? await startQuestDb() : null;
  t.after(() => questDb?.kill());
  const tenant = tenantOf(TENANT, meters);
  const store = questDb === null ? { type: "duckdb" } : { type: "questdb", http: questDb.httpUrl };
  const engine = await startEngineProcess({ config: { shards: 1, store, tenants: [tenant.config] } });
  t.after(() => engine.kill9());
  await engine.ready();
  const sender = await MixedSender.open(engine, tenant);
  await sendInTurns(sender, meters, random);
  sender.close();
  await rowsAreShown(engine.url, tenant.tokens.read, meters, SHOWN_WITHIN_MS);
  await engine.stop();
  assertStored(await storedRows(), meters);

  async function storedRows(): Promise<StoredRows> {
    if (questDb === null) return await storedInDuckDb(engine.dataDir, TENANT);
    // What has been shown once stays there; exchanges are in a table that the API does not show.
    const wanted = meters.reduce((sum, { rows }) => sum + rows.exchanges.length, 0);
    return await until(`${wanted} exchanges in QuestDB`, SHOWN_WITHIN_MS, async () => {
      const stored = await storedInQuestDb(questDb.httpUrl, TENANT);
      return [...stored.values()].reduce((sum, { exchanges }) => sum + exchanges.length, 0) >= wanted && stored;
    });
  }
}

/** Every meter sends its next few inputs, then every meter again: now in a text frame, now in a binary one, now in a post. */
async function sendInTurns(sender: MixedSender, meters: readonly SentMeter[], random: Random): Promise<void> {
  const sent = new Map<string, number>();
  for (let left = true; left; ) {
    left = false;
    const turn = meters.map(({ meter, arrivals }) => {
      const from = sent.get(meter) ?? 0;
      const to = Math.min(arrivals.length, from + 1 + random.int(MOST_AT_ONCE));
      sent.set(meter, to);
      left ||= to < arrivals.length;
      const inputs = arrivals.slice(from, to).map((input) => ({ meter, input }));
      return { inputs, form: random.pick(formsOf(inputs)) };
    });
    const inForm = (form: Form) => turn.filter((each) => each.form === form).flatMap(({ inputs }) => inputs);
    await Promise.all(FORMS.map((form) => sender.send(form, inForm(form))));
  }
}
