import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';

/**
 * What a request is for: the host that it names, as it names it, and the path with its query. Null is a host that is
 * not named at all.
 */
export type Target = { host: string | null; path: string };

/**
 * Reads what a request is for, or null where that is no address. An absolute target, as it is sent to a proxy, names
 * the host whatever the header says (RFC 9112, 3.2.2); of several Host headers nobody knows which one counts.
 */
export function targetOf({
  headers,
  rawHeaders,
  url = '',
}: Pick<IncomingMessage, 'headers' | 'rawHeaders' | 'url'>): Target | null {
  const absolute = /^https?:\/\/([^/?#]*)/i.exec(url);
  const host = absolute ? absolute[1]! : (headers.host ?? null);
  if (hostHeaders(rawHeaders) > 1 || (host !== null && !isHost(host))) return null;
  const base = `http://${host ?? 'localhost'}`;
  if (!URL.canParse(url, base)) return null;
  if (!absolute) return { host, path: url };
  const { pathname, search } = new URL(url);
  return { host, path: `${pathname}${search}` };
}

const isHost = (text: string): boolean => /^[\w.:[\]-]+$/.test(text) && URL.canParse(`http://${text}`);

function hostHeaders(raw: readonly string[]): number {
  let count = 0;
  for (let at = 0; at < raw.length; at += 2) if (raw[at]!.length === 4 && raw[at]!.toLowerCase() === 'host') count += 1;
  return count;
}

type Settings = { publicUrl: string | null; allowedHosts: readonly string[] };

/** Which hosts requests may name. */
export type HostRule = {
  /** Whether none is refused: the server listens on an address of the network, and nobody said what it is called. */
  readonly isOff: boolean;
  /** Whether the server listens on an address that only this machine reaches. */
  readonly isLocal: boolean;
  allows(host: string | null): boolean;
  /** Whether a page of this origin is one of ours, where the request that it sends names this host. */
  isOwnOrigin(origin: string, host: string | null): boolean;
};

/**
 * A page can make its own name lead to any address (DNS rebinding); to the browser this server is of its own origin
 * then. What it cannot do is name another host than its own, so only names that are ours are answered: those of this
 * machine where only this machine is listened to, and those that were configured. `boundTo` is the address that the
 * server listens on.
 */
export function createHostRule(boundTo: string, { publicUrl, allowedHosts }: Settings): HostRule {
  const own = publicUrl === null ? null : new URL(publicUrl);
  const names = new Set([...(own ? [plainName(own.host)!] : []), ...allowedHosts]);
  const suffixes = allowedHosts.filter((name) => name.startsWith('*.')).map((name) => name.slice(1));
  const isLocal = isLoopback(boundTo);
  const isOff = !isLocal && names.size === 0;
  return {
    isOff,
    isLocal,
    allows(host) {
      if (isOff) return true;
      const name = host === null ? null : plainName(host);
      if (name === null) return false;
      return names.has(name) || suffixes.some((suffix) => name.endsWith(suffix)) || (isLocal && isLoopback(name));
    },
    isOwnOrigin(origin, host) {
      if (own && origin === own.origin) return true;
      if (host === null || !URL.canParse(origin)) return false;
      const page = new URL(origin);
      const ownOrigin = `${page.protocol}//${host}`;
      return page.origin === origin && URL.canParse(ownOrigin) && new URL(ownOrigin).host === page.host;
    },
  };
}

/**
 * The name of a host without its port, as it is compared: in small letters, without the dot of the root; addresses as
 * browsers write them.
 */
export function plainName(host: string): string | null {
  if (!isHost(host)) return null;
  return new URL(`http://${host}`).hostname.replace(/\.$/, '');
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/**
 * Whether this is an address or a name of the machine itself. The names are reserved (RFC 6761): nobody can make them
 * lead elsewhere.
 */
export function isLoopback(name: string): boolean {
  if (name === 'localhost' || name.endsWith('.localhost')) return true;
  const address = name.replace(/^\[(.*)\]$/, '$1');
  const family = isIP(address);
  return family !== 0 && loopback.check(address, family === 6 ? 'ipv6' : 'ipv4');
}

/** What somebody is told who names another host, be it a person whose configuration lacks it. */
export const misdirected = (host: string | null): string =>
  host === null
    ? 'The request names no host: send the Host header.'
    : `This server is not known as ${host}. If that is its name, set PUBLIC_URL to its address or add the name to ` +
      'ALLOWED_HOSTS.';
