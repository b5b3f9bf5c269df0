import { BlockList, isIP, isIPv4 } from 'node:net';

/** The proxies whose word about where a request came from is taken. */
export type TrustedProxies = { readonly isEmpty: boolean; includes(address: string): boolean };

/** Reads addresses, networks (10.0.0.0/8) and the word `loopback`. Throws where one is none of these. */
export function trustedProxies(list: readonly string[]): TrustedProxies {
  const blocks = new BlockList();
  for (const entry of list.flatMap((each) => (each === 'loopback' ? ['127.0.0.0/8', '::1'] : [each]))) {
    const [address = '', bits, ...rest] = entry.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (!isIP(address) || rest.length > 0 || (bits !== undefined && !/^\d{1,3}$/.test(bits)))
      throw new RangeError(`${entry} is no address.`);
    if (bits === undefined) blocks.addAddress(address, family);
    else blocks.addSubnet(address, Number(bits), family);
  }
  return {
    isEmpty: list.length === 0,
    includes: (address) => blocks.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4'),
  };
}

/**
 * Whose request this is, as limits count clients: of IPv4 the address, of IPv6 the network of 64 bits that one client
 * has all of, such as `2001:db8:0:1::/64`. Each proxy adds to X-Forwarded-For, at its end, whom it got the request
 * from; so it is read from there, as far as the proxies are trusted. What stands before that, and what is no address,
 * anybody may have written.
 */
export function clientAddress(
  remoteAddress: string | undefined,
  forwardedFor: string | undefined,
  trusted: TrustedProxies,
): string {
  const remote = addressOf(remoteAddress ?? '');
  if (remote === null) return 'unknown'; // the connection is gone already
  if (trusted.isEmpty || !forwardedFor || !trusted.includes(remote)) return networkOf(remote);
  let client = remote;
  for (let end = forwardedFor.length; end > 0 && trusted.includes(client); ) {
    const start = forwardedFor.lastIndexOf(',', end - 1);
    const hop = addressOf(forwardedFor.slice(start + 1, end).trim());
    if (hop === null) break;
    client = hop;
    end = start;
  }
  return networkOf(client);
}

/** An address without port, brackets and zone; IPv4 also where it is written as IPv6. Null where there is none. */
function addressOf(text: string): string | null {
  if (isIPv4(text)) return text;
  if (text.length > maxAddress) return null;
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text;
  const address = bare.replace(/%.*$/, '');
  if (isIP(address) !== 6) return isIPv4(address) ? address : null;
  const groups = groupsOf(address);
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  return isMapped ? [groups[6]! >> 8, groups[6]! & 255, groups[7]! >> 8, groups[7]! & 255].join('.') : address;
}

/** An IPv6 address with brackets, zone and port is no longer. */
const maxAddress = 100;

function networkOf(address: string): string {
  if (isIPv4(address)) return address;
  const network = groupsOf(address).slice(0, 4);
  return `${network.map((group) => group.toString(16)).join(':')}::/64`;
}

/** The eight numbers of an IPv6 address. */
function groupsOf(address: string): number[] {
  const { hostname } = new URL(`http://[${address}]`); // writes it in one way, without dots
  const [before = '', after] = hostname.slice(1, -1).split('::');
  const numbers = (text: string | undefined) =>
    text ? text.split(':').map((group) => Number.parseInt(group, 16)) : [];
  const [head, tail] = [numbers(before), numbers(after)];
  return [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail];
}
