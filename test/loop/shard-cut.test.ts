import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ShardCut } from "../../workers/loop/shard-cut.js";
import { snapshotSections } from "../../workers/loop/snapshot-sections.js";
import { AlertBook } from "../../workers/state/alerts.js";
import { AlertCut } from "../../workers/state/alerts-cut.js";
import { MeterBook } from "../../workers/state/book.js";
import { BookCut } from "../../workers/state/book-cut.js";
import { Directory } from "../../workers/state/directory.js";
import { DirectoryCut } from "../../workers/state/directory-cut.js";
import { LateCut } from "../../workers/state/late-cut.js";
import { LateInputs } from "../../workers/state/late-inputs.js";
import { type Change, ChangingShard } from "./changing-shard.js";

const COPY = "copy";
const changes = Object.keys(new ChangingShard(1).changes);
const aChange = (names: readonly string[]): fc.Arbitrary<Change> =>
  fc.tuple(fc.constantFrom(...names), fc.nat(63), fc.nat(99), fc.nat(99));
const before = fc.array(aChange(changes), { maxLength: 60 });
const meanwhile = fc.array(aChange([...changes, ...changes, COPY, COPY, COPY]), { minLength: 5, maxLength: 80 });

/** Copies a shard while it changes; holds the copy against one that was taken in one go where it began. */
function copyWhile(first: readonly Change[], then: readonly Change[]): void {
  const shard = new ChangingShard(9);
  for (const change of first) shard.change(change);
  const { applier } = shard;
  const wanted = new Map(snapshotSections(applier, 7, 8).map(({ name, parts }) => [name, new Uint8Array(Buffer.concat(parts))]));
  const pieces = new Map<string, Uint8Array[]>();
  const cut = new ShardCut(applier, 7, 8, (name, bytes) => pieces.set(name, [...(pieces.get(name) ?? []), bytes]));
  for (const change of then) {
    if (change[0] === COPY) cut.advance(1);
    else shard.change(change);
  }
  while (!cut.advance(1));
  cut.end();
  const found = new Map([...pieces].map(([name, parts]) => [name, new Uint8Array(Buffer.concat(parts))]));
  assert.deepEqual(ChangingShard.normal(found), ChangingShard.normal(wanted));
}

type Prototype = Record<string, (...given: never[]) => unknown>;

/** While `run` runs, what a method changes is not copied first. */
function forgetting(owner: object, method: string, savers: readonly [object, string], run: () => void): void {
  const [methods, [cut, save]] = [owner as Prototype, [savers[0] as Prototype, savers[1]]];
  const [wholeMethod, wholeSave] = [methods[method]!, cut[save]!];
  let isInside = false;
  methods[method] = function (this: unknown, ...given: never[]) {
    isInside = true;
    try {
      return wholeMethod.apply(this, given);
    } finally {
      isInside = false;
    }
  };
  cut[save] = function (this: unknown, ...given: never[]) {
    if (!isInside) wholeSave.apply(this, given);
  };
  try {
    run();
  } finally {
    methods[method] = wholeMethod;
    cut[save] = wholeSave;
  }
}

describe("a shard that is copied while it changes", () => {
  it("is, in the copy, what it was when the copy began, byte for byte", () => {
    fc.assert(fc.property(before, meanwhile, copyWhile), { numRuns: 400 });
  });

  it("is copied by a small part at a time, whatever its size", () => {
    const shard = new ChangingShard(20_000, 1 << 16);
    const cut = new ShardCut(shard.applier, 0, 0, () => {});
    let steps = 0;
    for (let [was, isOver] = [0, false]; !isOver; steps++) {
      was = cut.bytes;
      isOver = cut.advance(64 * 1024);
      // 2048 meters go at once; of all else it is some 64 KiB.
      assert.ok(cut.bytes - was <= 512 * 1024, `${cut.bytes - was} bytes in step ${steps}`);
    }
    cut.end();
    assert.ok(steps > 20, `${steps} steps for ${cut.bytes} bytes`);
  });

  const book: readonly [object, string] = [BookCut.prototype, "save"];
  const alerts: readonly [object, string] = [AlertCut.prototype, "save"];
  const late: readonly [object, string] = [LateCut.prototype, "save"];
  const paths: readonly [string, object, string, readonly [object, string]][] = [
    ...["apply", "applyExchange", "adopt", "follow", "beginsAt", "draw"].map(
      (method): [string, object, string, readonly [object, string]] => [`meters: ${method}`, MeterBook.prototype, method, book],
    ),
    ...["live", "period", "tick", "setRules"].map((method): [string, object, string, readonly [object, string]] => [
      `alerts: ${method}`,
      AlertBook.prototype,
      method,
      alerts,
    ]),
    ["late inputs: add", LateInputs.prototype, "add", late],
    ["late inputs: mended", LateInputs.prototype, "mended", late],
    ["meters' settings", Directory.prototype, "setMeterSettings", [DirectoryCut.prototype, "saveSettings"]],
    ["meters' owners", Directory.prototype, "own", [DirectoryCut.prototype, "saveUnowned"]],
  ];
  for (const [name, owner, method, save] of paths) {
    it(`finds out a change that is not copied first: ${name}`, () => {
      const property = fc.property(before, meanwhile, (first, then) =>
        forgetting(owner, method, save, () => copyWhile(first, then)),
      );
      assert.ok(fc.check(property, { numRuns: 3000, endOnFailure: true, seed: 1 }).failed, "nothing found it");
    });
  }

  it("finds out a change that is not copied first: dataloggers' sequences", () => {
    const whole = DirectoryCut.prototype.save;
    DirectoryCut.prototype.save = () => {};
    try {
      const property = fc.property(before, meanwhile, copyWhile);
      assert.ok(fc.check(property, { numRuns: 3000, endOnFailure: true, seed: 1 }).failed, "nothing found it");
    } finally {
      DirectoryCut.prototype.save = whole;
    }
  });
});
