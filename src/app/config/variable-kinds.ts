import { z } from 'zod';
import { languageTag } from '../../kernel/text.ts';
import { trustedProxies } from '../edge/client-address.ts';
import { plainName } from '../edge/hosts.ts';

/** A variable whose text becomes a value; `read` gives undefined for text that is not of this kind. */
const kind = <T>(expected: string, read: (text: string) => T | undefined) =>
  z.string().transform((text, context): T => {
    const value = read(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: `expected ${expected}` });
    return z.NEVER;
  });

export const text = (max: number) => z.string().max(max, `expected at most ${max} characters`);

/** A whole number written in decimal digits: `Number` alone would also take "", "0x10" and "1e3". */
export const whole = (min: number, max: number) =>
  kind(`a whole number from ${min} to ${max}`, (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max ? value : undefined;
  });

/** A language by its BCP 47 tag, in the canonical form. */
export const language = kind('a BCP 47 language tag such as es or pt-BR', (text) => languageTag(text) ?? undefined);

const roleNames = ['ANONYMOUS', 'USER', 'OPERATOR', 'ADMIN'] as const;

/**
 * A whole number for each role: one for all, or some by name ("ANONYMOUS:10,USER:20"), where roles that are not named
 * have what USER has.
 */
export const byRole = (max: number) =>
  kind(`a whole number from 0 to ${max}, or some by role such as ANONYMOUS:10,USER:20`, (text) => {
    const parts = split(text).map((part) => part.split(':'));
    const numbers = new Map(
      parts.map((part) => (part.length === 1 ? ['USER', part[0]!] : [part[0]!, part[1]!]) as [string, string]),
    );
    const isRead =
      parts.every((part) => part.length <= 2) && (parts.length === 1 || parts.every((part) => part.length === 2));
    const isKnown = [...numbers].every(
      ([role, number]) =>
        (roleNames as readonly string[]).includes(role) && /^\d{1,9}$/.test(number) && Number(number) <= max,
    );
    if (!isRead || !isKnown || !numbers.has('USER')) return undefined;
    return Object.fromEntries(
      roleNames.map((role) => [role, Number(numbers.get(role) ?? numbers.get('USER'))]),
    ) as Record<(typeof roleNames)[number], number>;
  });

const truths: Record<string, boolean> = {
  true: true,
  yes: true,
  on: true,
  '1': true,
  false: false,
  no: false,
  off: false,
  '0': false,
};

/** A switch. */
export const truth = kind('true or false', (text) => truths[text.toLowerCase()]);

const parsedUrl = (text: string): URL | null => (URL.canParse(text) ? new URL(text) : null);

/** An address with one of these protocols and a host, kept as it was written. */
export const url = (expected: string, protocols: readonly string[]) =>
  kind(expected, (text) => {
    const parsed = parsedUrl(text);
    return parsed && protocols.includes(parsed.protocol) && parsed.host !== '' ? text : undefined;
  });

/** An address of the web. */
export const webUrl = (example: string) => url(`an address such as ${example}`, ['http:', 'https:']);

const split = (text: string): string[] =>
  text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');

/** Words separated by commas. */
export const words = (maxLength: number) =>
  kind(`names of at most ${maxLength} characters, separated by commas`, (text) =>
    split(text).every((word) => word.length <= maxLength) ? split(text) : undefined,
  );

/**
 * Names of hosts separated by commas; `*.` before one stands for all names below it. Ports and protocols are not part
 * of a name.
 */
export const hostNames = kind(
  'names of hosts such as chat.example.com or *.example.com, without ports, separated by commas',
  (text) => {
    const names = split(text).map((entry) => {
      const [, wild = '', name = ''] = /^(\*\.)?(.*)$/.exec(entry) ?? [];
      const plain = /^(\[[\da-fA-F:.]+\]|[\w.-]+)$/.test(name) ? plainName(name) : null;
      return plain === null ? null : `${wild}${plain}`;
    });
    return names.every((name) => name !== null) ? names : undefined;
  },
);

/** Addresses and networks of proxies separated by commas, and the word "loopback". */
export const proxies = kind(
  'addresses such as 10.0.0.7, networks such as 10.0.0.0/8, or loopback, separated by commas',
  (text) => {
    try {
      trustedProxies(split(text));
      return split(text);
    } catch {
      return undefined;
    }
  },
);

/**
 * Origins of web pages separated by commas. A closing slash is forgiven; a path, which a browser never sends, is not.
 */
export const webOrigins = kind('origins such as https://app.example.com, separated by commas', (text) => {
  const origins = split(text).map(originOf);
  return origins.every((origin) => origin !== null) ? origins : undefined;
});

function originOf(text: string): string | null {
  const parsed = parsedUrl(text);
  if (!parsed || !['http:', 'https:'].includes(parsed.protocol)) return null;
  return parsed.href === `${parsed.origin}/` ? parsed.origin : null;
}

/** What the start-up table shows of a secret: that it is there. */
export const masked = (secret: string): string => `set (${Buffer.byteLength(secret)} bytes)`;

/** An address without user, password and query, any of which may be a secret. */
export function maskedUrl(text: string): string {
  const parsed = parsedUrl(text);
  if (!parsed) return masked(text);
  const user = parsed.username || parsed.password ? '***@' : '';
  return `${parsed.protocol}//${user}${parsed.host}${parsed.pathname}${parsed.search ? '?***' : ''}`;
}
