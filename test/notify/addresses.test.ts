import assert from "node:assert/strict";
import { BlockList } from "node:net";
import test from "node:test";
import fc from "fast-check";
import { refusedAddress } from "../../engine/notify/addresses.js";

const REFUSED: [string, RegExp][] = [
  ["127.0.0.1", /loopback/],
  ["127.255.255.255", /loopback/],
  ["0.0.0.0", /unspecified/],
  ["10.1.2.3", /private/],
  ["172.16.0.1", /private/],
  ["172.31.255.255", /private/],
  ["192.168.178.1", /private/],
  ["100.64.0.1", /CGNAT/],
  ["100.127.255.255", /CGNAT/],
  ["169.254.169.254", /link-local/],
  ["224.0.0.1", /multicast/],
  ["255.255.255.255", /reserved/],
  ["198.19.0.1", /benchmarks/],
  ["::", /unspecified/],
  ["::1", /loopback/],
  ["0:0:0:0:0:0:0:1", /loopback/],
  ["::ffff:127.0.0.1", /loopback/],
  ["::ffff:7f00:1", /loopback/],
  ["::FFFF:10.0.0.1", /private/],
  ["0:0:0:0:0:ffff:a9fe:a9fe", /link-local/],
  ["::127.0.0.1", /reserved/],
  ["64:ff9b::127.0.0.1", /loopback/],
  ["64:ff9b::a00:1", /private/],
  ["64:ff9b:1::5db8:d822", /NAT64/],
  ["fe80::1", /link-local/],
  ["fe80::1%eth0", /link-local/],
  ["fc00::1", /private/],
  ["fd12:3456:789a::1", /private/],
  ["fec0::1", /private/],
  ["ff02::1", /multicast/],
  ["2002:7f00:1::", /6to4/],
  ["2001:0:4136:e378:8000:63bf:3fff:fdd2", /reserved/],
  ["2001:db8::1", /documentation/],
  ["100::1", /reserved/],
  ["5f00::1", /reserved/],
  ["localhost", /not an IP address/],
];
const PUBLIC = [
  ...["1.1.1.1", "93.184.216.34", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0"],
  ...["172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0", "223.255.255.255", "169.253.255.255"],
  ...["2606:4700:4700::1111", "2a00:1450:4001:81b::200e", "2001:4860:4860::8888", "3fff:1000::1"],
  ...["::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "64:ff9b::5db8:d822"],
];

test("addresses that lead to no public host are refused, in whatever form they are written", () => {
  for (const [address, why] of REFUSED) assert.match(refusedAddress(address) ?? "allowed", why, address);
  for (const address of PUBLIC) assert.equal(refusedAddress(address), null, address);
});

test("an IPv4 address is judged alike by itself, mapped and behind NAT64, as a block list of the runtime judges it", () => {
  const blocked = new BlockList();
  const subnets: [string, number][] = [
    ...([
      ["0.0.0.0", 8],
      ["10.0.0.0", 8],
      ["100.64.0.0", 10],
      ["127.0.0.0", 8],
      ["169.254.0.0", 16],
    ] as [string, number][]),
    ...([
      ["172.16.0.0", 12],
      ["192.0.0.0", 24],
      ["192.0.2.0", 24],
      ["192.88.99.0", 24],
      ["192.168.0.0", 16],
    ] as [string, number][]),
    ...([
      ["198.18.0.0", 15],
      ["198.51.100.0", 24],
      ["203.0.113.0", 24],
      ["224.0.0.0", 3],
    ] as [string, number][]),
  ];
  for (const [net, bits] of subnets) blocked.addSubnet(net, bits, "ipv4");
  const byte = fc.integer({ min: 0, max: 255 });
  const first = fc.oneof(byte, fc.constantFrom(10, 100, 127, 169, 172, 192, 198, 203, 224));
  const second = fc.oneof(byte, fc.constantFrom(0, 16, 18, 19, 31, 51, 64, 88, 127, 168, 254));
  fc.assert(
    fc.property(first, second, fc.oneof(byte, fc.constantFrom(0, 2, 99, 100, 113)), byte, (a, b, c, d) => {
      const address = `${a}.${b}.${c}.${d}`;
      const expected = blocked.check(address, "ipv4");
      const hex = `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
      for (const form of [address, `::ffff:${address}`, `::ffff:${hex}`, `64:ff9b::${hex}`, `0:0:0:0:0:ffff:${hex}`]) {
        assert.equal(refusedAddress(form) !== null, expected, form);
      }
    }),
    { numRuns: 2000 },
  );
});
