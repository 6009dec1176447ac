import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import type { Identity } from "../../engine/config/keys.js";
import { Tickets } from "../../engine/intake/tickets.js";
import { identifier } from "../../engine/intake/upgrades.js";
import { SimClock } from "../support/sim-clock.js";

const reader: Identity = { tenant: "acme", role: "read", keyId: "k" };

test("a ticket stands for its key once and for 30 s", () => {
  const clock = new SimClock(Date.UTC(2026, 0, 1));
  const tickets = new Tickets(clock, randomBytes);
  const offer = (ticket: string) => tickets.redeem(["meterstorm.v1", `ticket.${ticket}`]);
  const { ticket, expiresMs } = tickets.issue(reader);
  assert.match(ticket, /^[A-Za-z0-9_-]{43}$/);
  assert.equal(expiresMs, clock.nowMs() + 30_000);
  assert.equal(offer(`${ticket}x`), null);
  assert.equal(tickets.redeem([]), null);
  assert.deepEqual(offer(ticket), reader);
  assert.equal(offer(ticket), null, "a second time");

  const late = tickets.issue(reader).ticket;
  const inTime = tickets.issue(reader).ticket;
  clock.advance(29_999);
  assert.deepEqual(offer(inTime), reader);
  clock.advance(1);
  assert.equal(offer(late), null);
});

test("one client may not fill the memory with tickets, nor keep another from having one", () => {
  const clock = new SimClock(0);
  const tickets = new Tickets(clock, randomBytes);
  const first = tickets.issue(reader).ticket;
  for (let i = 1; i < 1000; i++) tickets.issue(reader);
  assert.throws(() => tickets.issue(reader), { code: "ticket_limit" });
  tickets.issue({ ...reader, tenant: "other" });
  assert.deepEqual(tickets.redeem([`ticket.${first}`]), reader);
  tickets.issue(reader);
  assert.throws(() => tickets.issue(reader), { code: "ticket_limit" });
  clock.advance(30_000);
  tickets.issue(reader);
});

test("a ticket of a key that is gone is none, and a token in the header leaves the ticket unused", () => {
  const tickets = new Tickets(new SimClock(0), randomBytes);
  let isKnown = false;
  const identify = identifier({ authenticate: (header) => (header === "good" ? reader : null), knows: () => isKnown }, tickets);
  const asking = (ticket: string, authorization?: string) => ({ authorization, protocols: [`ticket.${ticket}`] });
  assert.equal(identify(asking(tickets.issue(reader).ticket)), null);
  isKnown = true;
  const { ticket } = tickets.issue(reader);
  assert.equal(identify(asking(ticket, "bad")), null);
  assert.deepEqual(identify({ authorization: "good" }), reader);
  assert.deepEqual(identify(asking(ticket)), reader);
});
