import { isIPv4, isIPv6 } from "node:net";

/** Stretches of IPv4 that lead to no public host: [first address, bits of the prefix, what they are]. */
const IPV4: readonly [string, number, string][] = [
  ["0.0.0.0", 8, "unspecified"],
  ["10.0.0.0", 8, "private"],
  ["100.64.0.0", 10, "shared by carriers (CGNAT)"],
  ["127.0.0.0", 8, "loopback"],
  ["169.254.0.0", 16, "link-local"],
  ["172.16.0.0", 12, "private"],
  ["192.0.0.0", 24, "reserved"],
  ["192.0.2.0", 24, "for documentation"],
  ["192.88.99.0", 24, "reserved"],
  ["192.168.0.0", 16, "private"],
  ["198.18.0.0", 15, "for benchmarks"],
  ["198.51.100.0", 24, "for documentation"],
  ["203.0.113.0", 24, "for documentation"],
  ["224.0.0.0", 4, "multicast"],
  ["240.0.0.0", 4, "reserved"],
];

const COMPILED = IPV4.map(([first, bits, what]) => ({ first: ipv4Number(first), size: 2 ** (32 - bits), what }));

/**
 * Why an address is not for webhooks, null for one of a public host. Of IPv6 only global unicast is public; an IPv4 address that
 * travels inside an IPv6 one (mapped, or NAT64 under 64:ff9b::/96) is judged as itself.
 */
export function refusedAddress(address: string): string | null {
  if (isIPv4(address)) return refusedIpv4(ipv4Number(address));
  if (!isIPv6(address)) return "not an IP address";
  return refusedIpv6(ipv6Groups(address));
}

function refusedIpv4(number: number): string | null {
  return COMPILED.find(({ first, size }) => number >= first && number < first + size)?.what ?? null;
}

function refusedIpv6(groups: readonly number[]): string | null {
  const [a = 0, b = 0] = groups;
  const tail = groups[6]! * 0x10000 + groups[7]!;
  const zeros = (from: number, to: number): boolean => groups.slice(from, to).every((group) => group === 0);
  if (zeros(0, 5) && groups[5] === 0xffff) return refusedIpv4(tail);
  if (a === 0x64 && b === 0xff9b) return zeros(2, 6) ? refusedIpv4(tail) : "private (NAT64)";
  if (zeros(0, 7)) return groups[7] === 1 ? "loopback" : groups[7] === 0 ? "unspecified" : "reserved";
  if ((a & 0xff00) === 0xff00) return "multicast";
  if ((a & 0xffc0) === 0xfe80) return "link-local";
  if ((a & 0xfe00) === 0xfc00 || (a & 0xffc0) === 0xfec0) return "private";
  if ((a & 0xe000) !== 0x2000) return "reserved";
  // Tunnels (Teredo, 6to4) carry an IPv4 address of anybody's choice, and no host is reached by them alone.
  if (a === 0x2001 && b < 0x200) return "reserved";
  if (a === 0x2002) return "a tunnel (6to4)";
  if ((a === 0x2001 && b === 0xdb8) || (a === 0x3fff && b < 0x1000)) return "for documentation";
  return null;
}

function ipv4Number(address: string): number {
  return address.split(".").reduce((number, part) => number * 256 + Number(part), 0);
}

/** The eight groups of an IPv6 address, which `isIPv6` has found to be one. */
function ipv6Groups(address: string): number[] {
  let text = address.replace(/%.*$/, "");
  const dotted = /\d+\.\d+\.\d+\.\d+$/.exec(text)?.[0];
  if (dotted !== undefined) {
    const number = ipv4Number(dotted);
    text = `${text.slice(0, -dotted.length)}${Math.floor(number / 0x10000).toString(16)}:${(number % 0x10000).toString(16)}`;
  }
  const [head = "", tail] = text.split("::");
  const groups = (part: string): number[] => (part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16)));
  if (tail === undefined) return groups(head);
  const [before, after] = [groups(head), groups(tail)];
  return [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
}
