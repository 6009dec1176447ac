import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { runDoctor } from "../../engine/commands/doctor.js";
import { loadConfig } from "../../engine/config/load.js";
import type { Diagnosis } from "../../engine/doctor/diagnosis.js";
import { examine } from "../../engine/doctor/examine.js";
import { encodeRecord } from "../../engine/notify/records.js";
import { type ConfigFile, createTenant, runEngineToEnd, startEngineProcess } from "../support/engine.js";
import { temporaryDirectory, until } from "../support/servers.js";
import { printOf } from "./shard-maker.js";

const root = temporaryDirectory("doctor");
const acme = createTenant("acme", { shards: 2 });
const base: ConfigFile = { shards: 2, tenants: [acme.config] };
let copies = 0;

/** A configuration's file for a data directory. */
function configFor(dataDir: string, config: ConfigFile = base): string {
  const file = `${dataDir}.config.json`;
  writeFileSync(file, JSON.stringify({ dataDir, ...config }));
  return file;
}

async function diagnose(dataDir: string, config: ConfigFile = base): Promise<Diagnosis> {
  const file = configFor(dataDir, config);
  return examine({ directory: dataDir, config: { config: loadConfig(file), file } });
}

async function run(args: {
  directory?: string;
  config?: string;
  json?: boolean;
}): Promise<{ code: number; out: string; err: string }> {
  const [out, err]: [string[], string[]] = [[], []];
  const { directory, ...given } = args;
  const code = await runDoctor(directory, given, { out: (line) => out.push(line), err: (line) => err.push(line) });
  return { code, out: out.join("\n"), err: err.join("\n") };
}

/** As the fault leaves it; `refusal`: what a start ends with. */
interface Case {
  what: string;
  hurt?: (dataDir: string) => void;
  config?: ConfigFile;
  refusal?: string;
  /** Other findings, as level and code. */
  says?: string[];
}

const rewrite = (name: string, change: (text: string) => string) => (dataDir: string) =>
  writeFileSync(join(dataDir, name), change(existsSync(join(dataDir, name)) ? readFileSync(join(dataDir, name), "utf8") : ""));
const remove = (name: string) => (dataDir: string) => rmSync(join(dataDir, name), { recursive: true });

const CASES: Case[] = [
  { what: "nothing wrong" },
  {
    what: "engine.json of a newer format",
    hurt: rewrite("engine.json", (text) => text.replace('"format":1', '"format":7')),
    refusal: "data_dir_format",
  },
  { what: "engine.json cut short", hurt: rewrite("engine.json", (text) => text.slice(0, -5)), refusal: "data_dir_format" },
  {
    what: "engine.json with half of its content",
    hurt: rewrite("engine.json", () => '{"format":1}'),
    refusal: "data_dir_format",
  },
  { what: "engine.json gone", hurt: remove("engine.json"), says: ["loss identity_missing"] },
  {
    what: "rules.json of a newer format",
    hurt: rewrite("rules.json", () => '{"format":2,"tenants":{}}'),
    refusal: "rules_unreadable",
  },
  { what: "webhooks' queue of a newer format", hurt: newerQueue, refusal: "notify_version" },
  {
    what: "another kind of store",
    config: { ...base, store: { type: "questdb", http: "http://127.0.0.1:1" } },
    says: ["refusal store_foreign"],
  },
  { what: "the embedded store's file gone", hurt: remove("meterstorm.duckdb"), refusal: "store_foreign" },
  { what: "a shard gone", hurt: remove("shard-1"), says: ["loss shard_missing"] },
  { what: "two shards swapped", hurt: swapShards, refusal: "journal_foreign" },
  { what: "other settings of a meter with rows", config: withMultiplier(), refusal: "settings_changed" },
  { what: "more shards than it has", config: { ...base, shards: 3 } },
  { what: "the shards moved, engine.json gone", hurt: movedWithoutIdentity, refusal: "data_dir_format" },
  { what: "a lock of a process that is gone", hurt: rewrite("engine.pid", () => "4194303 1") },
];

function newerQueue(dataDir: string): void {
  writeFileSync(join(dataDir, "notify", "queue-0000000099.log"), encodeRecord({ k: "file", version: 2, generation: 99 }));
}

function movedWithoutIdentity(dataDir: string): void {
  mkdirSync(join(dataDir, "layout-1"));
  for (const index of [0, 1]) {
    cpSync(join(dataDir, `shard-${index}`), join(dataDir, "layout-1", `shard-${index}`), { recursive: true });
    rmSync(join(dataDir, `shard-${index}`), { recursive: true });
  }
  rmSync(join(dataDir, "engine.json"));
}

function swapShards(dataDir: string): void {
  const at = (n: number | string) => join(dataDir, `shard-${n}`);
  cpSync(at(0), at("x"), { recursive: true });
  rmSync(at(0), { recursive: true });
  cpSync(at(1), at(0), { recursive: true });
  rmSync(at(1), { recursive: true });
  cpSync(at("x"), at(1), { recursive: true });
  rmSync(at("x"), { recursive: true });
}

function withMultiplier(): ConfigFile {
  return { ...base, tenants: [{ ...acme.config, meters: [{ match: "*", multiplier: 10 }] }] };
}

describe("what doctor says of a data directory", () => {
  let whole = "";
  before(async () => {
    whole = join(root, "whole");
    const engine = await startEngineProcess({ config: { ...base, dataDir: whole } });
    await engine.ready();
    for (let i = 0; i < 8; i++) {
      const body = JSON.stringify({ readings: [1, 2, 3].map((n) => [`m${i}`, Date.UTC(2026, 0, 1, n), n]) });
      const answer = await fetch(`${engine.url}/v1/readings?datalogger=d${i}`, {
        method: "POST",
        headers: { authorization: `Bearer ${acme.tokens.ingest}` },
        body,
      });
      assert.equal(answer.status, 200);
    }

    // While it runs: no start is tried, and nothing that it is writing counts as damage.
    const live = await diagnose(whole);
    assert.deepEqual([live.verdict, live.lock], ["whole", { state: "held", pid: engine.pid }]);
    assert.deepEqual(
      live.perShard.map(({ trial }) => trial),
      [null, null],
    );
    assert.deepEqual(
      live.findings.filter(({ level }) => level !== "note"),
      [],
    );
    const shown = await run({ directory: whole });
    assert.equal(shown.code, 0);
    assert.match(shown.out, new RegExp(`an engine runs here \\(process ${engine.pid}\\); all is whole`));
    assert.equal(await engine.stop(), 0);
  });

  for (const { what, hurt, config, refusal, says } of CASES) {
    it(`is what a start does: ${what}`, async () => {
      const dataDir = join(root, `case-${copies++}`);
      cpSync(whole, dataDir, { recursive: true });
      hurt?.(dataDir);
      const print = printOf(dataDir);
      const diagnosis = await diagnose(dataDir, config);
      const { verdict, findings } = diagnosis;
      assert.equal(printOf(dataDir), print, "something was changed");
      const bad = findings.filter(({ level }) => level !== "note").map(({ level, code }) => `${level} ${code}`);
      assert.deepEqual([...new Set(bad)], refusal === undefined ? (says ?? []) : [`refusal ${refusal}`]);
      assert.equal(verdict, bad.length === 0 ? "whole" : bad[0]!.startsWith("refusal") ? "refused" : "damaged");

      // Nobody answers where the other store should be: a start waits for it.
      if (config?.["store"] !== undefined) return;
      if (refusal !== undefined) {
        const { code, logs } = await runEngineToEnd({ config: { ...base, ...config, dataDir } });
        assert.equal(code, 1, logs);
        const last = JSON.parse(logs.trimEnd().split("\n").at(-1) ?? "") as { code: string; msg: string };
        assert.equal(last.code, refusal, logs);
        const texts = findings.filter(({ level }) => level === "refusal").map(({ text }) => text);
        if (refusal !== "store_foreign")
          assert.ok(
            texts.some((text) => last.msg.endsWith(text)),
            `${last.msg}\n${texts.join("\n")}`,
          );
        return;
      }
      const engine = await startEngineProcess({ config: { ...base, ...config, dataDir } });
      await engine.ready();
      assert.equal(await engine.stop(), 0);
    });
  }

  it("counts what is there: spread clients, readings, versions, room", async () => {
    const { formats, spread, shards, store, perShard, disk, queue } = await diagnose(whole);
    assert.deepEqual(
      formats.map(({ what, found, canStart }) => [what, found.length > 0, canStart]),
      [
        ["engine.json", true, true],
        ["journal", true, true],
        ["snapshot", true, true],
        ["rules.json", false, true],
        ["webhooks", true, true],
      ],
    );
    assert.deepEqual([shards, spread, store.configured], [2, { acme: 2 }, "duckdb"]);
    assert.match(store.fed ?? "", /^duckdb:/);
    // All of it lies behind snapshots and in the store.
    for (const { positions, trial } of perShard) {
      assert.deepEqual([positions?.replay.readings, positions?.unstored.readings, positions?.untold], [0, 0, 0]);
      assert.deepEqual([trial?.refusal, trial?.late], [null, 0]);
    }
    assert.ok(disk.freeBytes > 0 && disk.journalBytes > 0 && disk.budgetBytes === 10 * 2 ** 30);
    assert.deepEqual([queue.waiting, queue.deadLetters], [0, 0]);
  });

  it("counts what waits for webhooks", async () => {
    const dataDir = join(root, "waiting");
    const rules = [{ id: "high", meters: "*", on: "value", op: ">", threshold: 10 }];
    const webhooks = [{ url: "http://127.0.0.1:9/nobody", secret: "0123456789abcdef0123456789abcdef" }];
    const config = { ...base, dataDir, tenants: [{ ...acme.config, rules, webhooks }] };
    const engine = await startEngineProcess({ config });
    await engine.ready();
    const answer = await fetch(`${engine.url}/v1/readings?datalogger=d`, {
      method: "POST",
      headers: { authorization: `Bearer ${acme.tokens.ingest}` },
      body: JSON.stringify({ readings: [["m", Date.UTC(2026, 0, 1), 11]] }),
    });
    assert.equal(answer.status, 200);
    const waiting = async () => (await diagnose(dataDir, config)).queue;
    await until("the transition is kept", 20_000, async () => (await waiting()).waiting === 1);
    await engine.kill9();
    const { lock, queue, verdict } = await diagnose(dataDir, config);
    assert.deepEqual([verdict, lock.state, queue.waiting, Object.values(queue.webhooks)], ["whole", "stale", 1, [1]]);
    assert.match((await run({ directory: dataDir })).out, /^lock +left by process \d+, which is gone; a start takes it over$/m);
  });

  it("says in words and by its exit code how it is", async () => {
    const good = await run({ config: configFor(whole) });
    assert.deepEqual([good.code, good.err], [0, ""]);
    assert.match(good.out, /^.*: all is whole; a start goes on from it with this configuration$/m);
    assert.match(good.out, /^lock +none: /m);
    assert.match(good.out, /the store has everything/);
    const asJson = JSON.parse((await run({ directory: whole, json: true })).out) as Diagnosis;
    assert.deepEqual([asJson.verdict, asJson.perShard.length], ["whole", 2]);

    const dataDir = join(root, "lost");
    cpSync(whole, dataDir, { recursive: true });
    remove("shard-0")(dataDir);
    const lost = await run({ directory: dataDir });
    assert.equal(lost.code, 2);
    assert.match(lost.out, /something is lost or may be\n\nLOST: shard-0: its directory is missing/);
    rewrite("engine.json", () => "null")(dataDir);
    const refused = await run({ directory: dataDir });
    assert.equal(refused.code, 3);
    assert.match(refused.out, /a start would REFUSE to go on from it\n\nREFUSED: engine\.json: /);
  });

  it("tells what it cannot look at, with 1", async () => {
    const empty = join(root, "empty");
    mkdirSync(empty);
    const answers = await Promise.all([
      run({ directory: join(root, "nowhere") }),
      run({ directory: empty }),
      run({ directory: whole, config: configFor(whole) }),
      run({ config: join(root, "absent.json") }),
    ]);
    assert.deepEqual(
      answers.map(({ code, out }) => [code, out]),
      answers.map(() => [1, ""]),
    );
    const said = ["data_dir_absent: ", "data_dir_unused: ", "doctor_options: ", "config_unreadable: "];
    for (const [i, { err }] of answers.entries()) assert.ok(err.startsWith(said[i]!), err);
  });

  it("looks on while an engine works hard, again and again, and finds no fault", { timeout: 60_000 }, async (t) => {
    const dataDir = join(root, "busy");
    const engine = await startEngineProcess({ config: { ...base, dataDir, journal: { maxBytes: "4MiB", keep: "0s" } } });
    t.after(() => engine.kill9());
    await engine.ready();
    let sent = 0;
    let isOver = false;
    const send = async (i: number): Promise<void> => {
      for (let n = 0; !isOver; n++) {
        const readings = Array.from({ length: 200 }, (_, k) => [
          `m${i}`,
          Date.UTC(2026, 0, 1) + (n * 200 + k) * 1000,
          n * 200 + k,
        ]);
        await fetch(`${engine.url}/v1/readings?datalogger=d${i}`, {
          method: "POST",
          headers: { authorization: `Bearer ${acme.tokens.ingest}` },
          body: JSON.stringify({ readings }),
        }).then((answer) => answer.arrayBuffer());
        sent++;
      }
    };
    const senders = [0, 1, 2].map(send);
    try {
      for (let looks = 0; looks < 8; looks++) {
        await until("something was sent", 20_000, () => sent > looks * 5);
        const { findings } = await diagnose(dataDir);
        assert.deepEqual(
          findings.filter(({ level }) => level !== "note"),
          [],
        );
      }
    } finally {
      isOver = true;
      await Promise.allSettled(senders);
    }
  });
});
