import type { Logger } from '../../platform/logger.ts';
import { type HostRule, isLoopback } from './hosts.ts';

type Settings = {
  /** Origins that were configured. */
  corsOrigins: readonly string[];
  /** Whether pages of this machine may call a server that only this machine reaches: a front end under development. */
  loopbackOrigins: boolean;
};

/** Pages of which origins may call this server. */
export type OriginRule = {
  /** Whether a page of this origin may, in a request that names this host. */
  allows(origin: string, host: string | null): boolean;
  /**
   * What a page is told that may not. The first time it is a line of the log, too: nothing else shows it to whoever set
   * the server up.
   */
  refuse(origin: string): string;
};

/** Origins that were logged, at the most: anybody can make up as many as they like. */
const maxLogged = 100;
/** Characters of an origin that are repeated: the longest name of a host has 253. */
const maxShown = 300;

export function createOriginRule(
  { corsOrigins, loopbackOrigins }: Settings,
  hosts: HostRule,
  logger: Pick<Logger, 'warn'>,
): OriginRule {
  const logged = new Set<string>();
  const ofThisMachine = loopbackOrigins && hosts.isLocal;
  return {
    allows: (origin, host) =>
      corsOrigins.includes(origin) || hosts.isOwnOrigin(origin, host) || (ofThisMachine && isLoopbackOrigin(origin)),
    refuse(given) {
      const origin = given.slice(0, maxShown);
      if (!logged.has(origin) && logged.size < maxLogged) {
        logged.add(origin);
        logger.warn(
          { origin },
          'a page of another origin was refused; to let it call this server, add its origin to CORS_ORIGIN',
        );
      }
      return `Pages of ${origin} may not call this server. To allow them, add this origin to CORS_ORIGIN.`;
    },
  };
}

function isLoopbackOrigin(origin: string): boolean {
  if (!URL.canParse(origin)) return false;
  const page = new URL(origin);
  return /^https?:$/.test(page.protocol) && page.origin === origin && isLoopback(page.hostname);
}
