import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { JournalShares } from "../../workers/loop/journal-shares.js";
import { LaneHolds } from "../../workers/loop/lane-holds.js";

const BUDGET = 4_000_000;
/** Of the budget, three quarters are for what waits. */
const FOR_BACKLOG = 3_000_000;
const FRAME = 1_000;

function sharesOf(): { shares: JournalShares; held: Set<number> } {
  const shares = new JournalShares(BUDGET);
  const held = new Set<number>();
  shares.hold = (lane, on) => {
    assert.notEqual(held.has(lane), on, "a lane is held once and let go once");
    if (on) held.add(lane);
    else held.delete(lane);
  };
  return { shares, held };
}

test("one client alone may hold half, of three each a quarter, and one that comes later still has room", () => {
  for (const [clients, each] of [
    [1, FOR_BACKLOG / 2],
    [3, FOR_BACKLOG / 4],
  ] as const) {
    const { shares, held } = sharesOf();
    let position = 0;
    for (let i = 0; held.size < clients; i++) {
      const client = i % clients;
      if (held.has(client)) continue;
      position += FRAME;
      shares.wrote(client, FRAME, position);
      shares.came(client, client);
    }
    for (let client = 0; client < clients; client++) {
      assert.ok(Math.abs(shares.heldBy(client) - each) <= 2 * FRAME, `${clients} clients: ${shares.heldBy(client)} of ${each}`);
    }
    shares.wrote(9, FRAME, position + FRAME);
    shares.came(9, 9);
    assert.equal(held.has(9), false);
  }
});

test("who is held goes on once the store has taken enough, and not before", () => {
  const { shares, held } = sharesOf();
  let position = 0;
  while (held.size === 0) {
    position += FRAME;
    shares.wrote(0, FRAME, position);
    shares.came(0, 7);
  }
  assert.deepEqual([...held], [7]);
  shares.stored(FRAME * 2);
  assert.deepEqual([...held], [7], "a little room is soon full again");
  shares.stored(position);
  assert.deepEqual([...held], []);
  assert.equal(shares.heldBy(0), 0);
  assert.equal(shares.share, FOR_BACKLOG);
});

test("however clients write and the store takes: all together stay below the budget, and nobody is held once all is stored", () => {
  const step = fc.record({
    client: fc.nat(5),
    frames: fc.integer({ min: 1, max: 2_000 }),
    stored: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
  });
  let holds = 0;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const { shares, held } = sharesOf();
      let position = 0;
      let stored = 0;
      for (const { client, frames, stored: part } of steps) {
        for (let i = 0; i < frames && !held.has(client); i++) {
          position += FRAME;
          shares.wrote(client, FRAME, position);
          shares.came(client, client);
        }
        if (held.size > 0) holds++;
        if (part !== null) {
          stored += Math.floor((position - stored) * part);
          shares.stored(stored);
        }
        const all = [0, 1, 2, 3, 4, 5].reduce((sum, each) => sum + shares.heldBy(each), 0);
        assert.ok(all <= FOR_BACKLOG, `${all} bytes are held`);
        assert.ok(all >= position - stored, "what the store does not have is held by somebody");
      }
      shares.stored(position);
      assert.deepEqual([...held], []);
    }),
  );
  assert.ok(holds > 100, `clients were held ${holds} times only`);
});

test("a lane that is held for two reasons goes on when both are gone", () => {
  const told: [number, boolean][] = [];
  const holds = new LaneHolds((lane, on) => void told.push([lane, on]));
  holds.set(1, "late", true);
  holds.set(1, "journal", true);
  holds.set(2, "journal", true);
  holds.set(1, "late", false);
  assert.deepEqual(told, [
    [1, true],
    [2, true],
  ]);
  holds.set(1, "journal", false);
  holds.set(1, "journal", false);
  assert.deepEqual(told.slice(2), [[1, false]]);
});
