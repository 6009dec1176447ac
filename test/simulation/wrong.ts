import type { Disk, DiskFile } from "../../engine/base/disk.js";
import { NameType } from "../../engine/base/entries.js";
import { Input, Outcome } from "../../engine/memory/protocol.js";
import { RingConsumer, RingProducer } from "../../engine/memory/ring.js";
import type { MeterHistory, Sink, StoreOutcome } from "../../engine/store/interface.js";
import { unitBytes } from "../../workers/journal/block.js";
import { Journal } from "../../workers/journal/journal.js";
import { Applier } from "../../workers/loop/applier.js";
import type { OpenShard } from "../../workers/loop/open-shard.js";
import { Telling } from "../../workers/loop/telling.js";
import { AlertBook } from "../../workers/state/alerts.js";
import { dressedDisk } from "../support/dressed-disk.js";
import type { Life, Wrong } from "./life.js";

/** Dresses up the files of a disk. */
function files(dress: (file: DiskFile) => Partial<DiskFile>): Wrong {
  return {
    disk: (disk: Disk) => dressedDisk(disk, {}, dress),
  };
}

/** Dresses up the sink. */
function sink(write: (sink: Sink, entries: readonly Uint8Array[]) => Promise<StoreOutcome>): Wrong {
  return {
    options: (options) => ({
      ...options,
      openSink: (names) => {
        const inner = options.openSink(names);
        return { ...inner, write: (entries) => write(inner, entries) };
      },
    }),
  };
}

/** The largest seq that the shard has computed for the datalogger behind a connection. */
function computed(life: Life, id: number, safe: number): number {
  const { shard, network } = life;
  const connection = [...network.connections].find((each) => each.id === id);
  if (shard === null || connection === undefined) return safe;
  const { tenant, id: datalogger } = connection.datalogger;
  const state = shard.applier.directory.dataloggers.find(
    (each) => each.id === datalogger && shard.applier.directory.tenant(each.tenant) === tenant,
  );
  return Math.max(safe, state?.lastSeq ?? 0);
}

/** Acks what is computed. */
const acksEarly: Wrong = {
  options: (options, life) => {
    const output = new (class extends RingProducer {
      override write(type: number, id: number, extra: number, number: number, first?: Uint8Array, second?: Uint8Array): boolean {
        return super.write(type, id, extra, type === Outcome.ACK ? computed(life, id, number) : number, first, second);
      }
    })(life.network.output);
    return { ...options, output };
  },
};

/** Welcomes at once, with what is computed. */
const welcomesEarly: Wrong = {
  options: (options, life) => {
    const output = new (class extends RingProducer {
      override write(type: number, id: number, extra: number, number: number, first?: Uint8Array, second?: Uint8Array): boolean {
        return type === Outcome.WELCOME || super.write(type, id, extra, number, first, second);
      }

      welcome(id: number): void {
        super.write(Outcome.WELCOME, id, 0, computed(life, id, 0));
      }
    })(life.network.output);
    const input = new (class extends RingConsumer {
      override next(): boolean {
        const more = super.next();
        if (more && this.type === Input.HELLO) output.welcome(this.id);
        return more;
      }
    })(life.network.input);
    return { ...options, input, output };
  },
};

function dataloggersOf(shard: OpenShard) {
  return shard.applier.directory.dataloggers;
}

/** While the shard opens, what it reads back of its journal lacks the second unit. */
const skipsAUnit: Wrong = {
  opening: () => {
    const whole = Journal.prototype.replay;
    Journal.prototype.replay = async function* (this: Journal, from: number) {
      let unit = 0;
      for await (const piece of whole.call(this, from)) {
        for (let at = 0; at < piece.length; at += unitBytes(piece, at)) {
          if (unit++ !== 1) yield piece.subarray(at, at + unitBytes(piece, at));
        }
      }
    };
    return () => {
      Journal.prototype.replay = whole;
    };
  },
};

/** While the shard opens, or as long as it lives where that is not over, one of its methods does nothing. */
function without<T extends object>(prototype: T, name: keyof T): Wrong {
  return {
    opening: () => {
      const whole = prototype[name];
      prototype[name] = (() => {}) as T[keyof T];
      return () => {
        prototype[name] = whole;
      };
    },
  };
}

/** While the shard opens, rules that it reads back of its journal are those of the configuration. */
const replaysByNewestRules: Wrong = {
  opening: () => {
    const whole = Applier.prototype.replayName;
    Applier.prototype.replayName = function (this: Applier, type, number, parent, text, detail, owner) {
      const newest = () => JSON.stringify(this.plan(this.directory.tenant(number))?.rules ?? []);
      whole.call(this, type, number, parent, type === NameType.RULES ? newest() : text, detail, owner);
    };
    return () => {
      Applier.prototype.replayName = whole;
    };
  },
};

/** Goes on by other plans, and nothing of that is written down. */
function adoptsUnwritten({ loop, journal }: OpenShard): void {
  const adopt = loop.adopt.bind(loop);
  loop.adopt = (plans) => {
    journal.append = () => journal.appended;
    try {
      adopt(plans);
    } finally {
      Reflect.deleteProperty(journal, "append");
    }
  };
}

/** What was promised is not there any more. */
const LOST = /was said to be safe after|was taken twice|other rows|(journal|snapshot)_damaged|journal_gap/;

/** A repair went wrong. */
const OTHER = /other rows|not th(ose|at) of the rules/;

function withoutNewest(history: MeterHistory): MeterHistory {
  const { ts, value, rev, delta, flags } = history.readings;
  return {
    ...history,
    readings: {
      ...{ ts: ts.slice(0, -1), value: value.slice(0, -1), rev: rev.slice(0, -1) },
      ...{ delta: delta.slice(0, -1), flags: flags.slice(0, -1) },
    },
  };
}

/**
 * Ways to get it wrong, each put between a shard and its ports or into it from outside. Some seed must find each of them,
 * and find it as what it is: by a message that matches.
 */
export const wrongs: Record<string, { wrong: Wrong; found: RegExp }> = {
  "acks before the sync is done": {
    wrong: files((file) => ({
      sync: () => {
        file.sync().catch(() => {});
        return Promise.resolve();
      },
    })),
    found: LOST,
  },
  "takes a failed sync for a good one": {
    wrong: files((file) => ({ sync: () => file.sync().catch(() => {}) })),
    found: LOST,
  },
  "skips a unit on replay": { wrong: skipsAUnit, found: /./ },
  "moves the stored position before the store has answered": {
    wrong: sink((inner, entries) => {
      void inner.write(entries.map((piece) => piece.slice()));
      return Promise.resolve({ ok: true });
    }),
    found: /other rows|the store has no row/,
  },
  "takes a refusal for good": {
    wrong: sink(async (inner, entries) => {
      const outcome = await inner.write(entries);
      return outcome.ok || outcome.kind !== "refused" ? outcome : { ok: true };
    }),
    found: /other rows|the store has no row/,
  },
  "sends again at once where it should wait for what may still come": {
    wrong: {
      mood: { unavailable: 0, refused: 0, doubtful: 0.5, stalled: 0 },
      ...sink(async (inner, entries) => {
        const outcome = await inner.write(entries);
        return outcome.ok || outcome.kind !== "doubtful" ? outcome : { ...outcome, kind: "unavailable" };
      }),
    },
    found: /other rows/,
  },
  "does not reckon with its predecessor's last request": {
    wrong: {
      mood: { unavailable: 0, refused: 0, doubtful: 0, stalled: 0.5 },
      options: (options) => ({ ...options, openSink: (names) => ({ ...options.openSink(names), settleMs: 0 }) }),
    },
    found: /other rows/,
  },
  "welcomes at once with what is computed": {
    wrong: welcomesEarly,
    found: /was said to be safe after|the store has no row|other rows/,
  },
  "acks what is computed instead of what is safe": {
    wrong: acksEarly,
    found: /was said to be safe after|the store has no row|other rows/,
  },
  "takes a frame that is sent again for a new one": {
    wrong: {
      opened: (shard) => {
        for (const state of dataloggersOf(shard)) state.lastSeq = 0;
      },
    },
    found: /was taken twice|was said to be safe after/,
  },
  "forgets on a restart what was safe": {
    wrong: {
      opened: (shard) => {
        for (const state of dataloggersOf(shard)) state.safeSeq = 0;
      },
    },
    found: /was said to be safe after/,
  },
  "forgets on a restart which late inputs wait": {
    wrong: {
      opened: ({ applier }) => {
        for (const meter of [...applier.late.meters]) applier.late.mended(meter, 0, Number.POSITIVE_INFINITY, 1e9, 0);
      },
    },
    found: OTHER,
  },
  "takes what the store shows for all, though it lacks its newest rows": {
    wrong: {
      options: (options) => ({
        ...options,
        openSink: (names) => {
          const inner = options.openSink(names);
          return { ...inner, history: async (ranges) => (await inner.history(ranges)).map(withoutNewest) };
        },
      }),
    },
    found: OTHER,
  },
  "goes on after a repair from where it was before": {
    wrong: {
      opened: ({ applier }) => {
        applier.book.draw = () => {};
      },
    },
    found: /other rows|not th(ose|at) of the rules|journal_differs/,
  },
  "loses what comes while a repair waits for the store": {
    wrong: {
      opened: ({ applier }) => {
        applier.book.listener = null;
      },
    },
    found: OTHER,
  },
  "does not tell again, after a start, of alerts that nobody has kept": {
    wrong: without(Telling.prototype, "again"),
    found: /nobody was told/,
  },
  "lets go of what it would have to tell again": {
    wrong: {
      opened: ({ applier }) => {
        Object.defineProperty(applier.told, "from", { get: () => Number.POSITIVE_INFINITY, set: () => {} });
      },
    },
    found: /nobody was told/,
  },
  "takes an alert for kept as soon as it has told of it": {
    wrong: {
      options: (options, life) => {
        let last = 0;
        const output = new (class extends RingProducer {
          override write(
            type: number,
            id: number,
            extra: number,
            number: number,
            first?: Uint8Array,
            second?: Uint8Array,
          ): boolean {
            if (type === Outcome.ALERT) last = number;
            return super.write(type, id, extra, number, first, second);
          }
        })(life.network.output);
        const input = new (class extends RingConsumer {
          override next(): boolean {
            const more = super.next();
            if (more && this.type === Input.TOLD) this.number = last;
            return more;
          }
        })(life.network.input);
        return { ...options, input, output };
      },
    },
    found: /nobody was told/,
  },
  "forgets, on a restart, what time has decided": {
    wrong: without(AlertBook.prototype, "tickAgain"),
    found: /journal_differs/,
  },
  "copies meters for a snapshot when they have changed already": {
    wrong: {
      opened: ({ applier: { book } }) => {
        const whole = book.beginCut.bind(book);
        book.beginCut = (sink) => Object.assign(whole(sink), { save: () => {} });
      },
    },
    found: /journal_differs|other rows/,
  },
  "writes snapshots of a state older than they say": {
    wrong: {
      opened: (shard) => {
        const { book } = shard.applier;
        const first = book.snapshot();
        const meters = book.count;
        const whole = book.beginCut.bind(book);
        book.beginCut = (sink) => {
          if (book.count !== meters) return whole(sink);
          for (const part of first) sink(part);
          return { *sweep() {} };
        };
      },
    },
    found: /journal_differs|other rows/,
  },
  "judges on a restart, by the newest rules, what came before there were any such": {
    wrong: replaysByNewestRules,
    found: /journal_differs|other rows|by its replay/,
  },
  "goes on by other rules and settings, and does not journal them": {
    wrong: { opened: adoptsUnwritten },
    found: /journal_differs|other rows|settings_changed/,
  },
  "takes other rules and settings only at its next start": {
    wrong: {
      opened: ({ loop }) => {
        loop.adopt = () => {};
      },
    },
    found: /other rows|not th(ose|at) of the rules|settings_changed/,
  },
};
