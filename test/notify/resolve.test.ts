import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import { after, describe, it } from "node:test";
import { hostResolver } from "../../engine/notify/resolve.js";

const QUICK = { questionMs: 100, tries: 1 };
const never = new AbortController().signal;
const sockets: Socket[] = [];
after(() => {
  for (const socket of sockets) socket.close();
});

/** A DNS server that answers questions for IPv4 with these addresses, and for everything else with none; null: it is silent. */
async function dnsServer(addresses: string[] | null): Promise<string> {
  const socket = createSocket("udp4");
  sockets.push(socket);
  socket.on("message", (question, from) => {
    if (addresses === null) return;
    const nameEnd = question.indexOf(0, 12);
    const asked = question.subarray(12, nameEnd + 5);
    const found = question.readUInt16BE(nameEnd + 1) === 1 ? addresses : [];
    const header = Buffer.from(question.subarray(0, 12));
    header.writeUInt16BE(addresses.length === 0 ? 0x8183 : 0x8180, 2);
    header.writeUInt16BE(found.length, 6);
    header.writeUInt32BE(0, 8);
    // A pointer to the name, type A, class IN, a minute to live, four bytes.
    const answers = found.map((each) => Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...each.split(".").map(Number)]));
    socket.send(Buffer.concat([header, asked, ...answers]), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  return `127.0.0.1:${socket.address().port}`;
}

describe("the addresses of a webhook's host", () => {
  it("are those that the DNS servers know", async () => {
    const servers = [await dnsServer(["192.0.2.7", "10.0.0.1"])];
    const found = await hostResolver({ ...QUICK, servers })("hooks.example.org", never);
    assert.deepEqual(found.sort(), ["10.0.0.1", "192.0.2.7"]);
  });

  it("are asked of the system where the servers know no such name, and for names of this machine", async () => {
    const servers = [await dnsServer([])];
    assert.ok((await hostResolver({ ...QUICK, servers })("localhost", never)).includes("127.0.0.1"));
    await assert.rejects(hostResolver({ ...QUICK, servers })("no-such-host.invalid", never), /ENOTFOUND|EAI_AGAIN/);
  });

  it("are not asked of the system where the servers are silent: it would be silent too, on threads that others need", async () => {
    const servers = [await dnsServer(null)];
    const slow = hostResolver({ ...QUICK, servers })("hooks.example.org", never);
    await assert.rejects(slow, /the DNS servers do not answer for hooks\.example\.org/);
    const given = new AbortController();
    const asked = hostResolver({ questionMs: 60_000, servers })("hooks.example.org", given.signal);
    given.abort();
    await assert.rejects(asked, /do not answer/);
  });

  it("are themselves where one stands for a name", async () => {
    assert.deepEqual(await hostResolver(QUICK)("192.0.2.1", never), ["192.0.2.1"]);
    assert.deepEqual(await hostResolver(QUICK)("2001:db8::1", never), ["2001:db8::1"]);
  });
});
