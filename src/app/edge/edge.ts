import type { IncomingMessage, Server } from 'node:http';
import type { Logger } from '../../platform/logger.ts';
import type { Config } from '../config.ts';
import { clientAddress, trustedProxies } from './client-address.ts';
import { type Connections, createConnections } from './connections.ts';
import { createHostRule, type HostRule } from './hosts.ts';
import { createOriginRule, type OriginRule } from './origins.ts';

/**
 * What is known of a request before anything of it is read: which host it names, whose it is, and whether there is room
 * for it.
 */
export type Edge = {
  /** Begins to look after the connections of a server. */
  watch(server: Server): void;
  /** Which hosts requests may name; known once the server listens. */
  hosts(): HostRule;
  /** Pages of which origins may send them; known when the hosts are. */
  origins(): OriginRule;
  /** The client that a request comes from, as limits count clients. */
  addressOf(request: IncomingMessage): string;
  connections: Connections;
};

/** The edge of one server. */
export function createEdge(config: Config['http'], logger: Pick<Logger, 'warn'>): Edge {
  const { host, publicUrl, allowedHosts, trustedProxies: proxies, maxConnections, sockets } = config;
  const trusted = trustedProxies(proxies);
  const connections = createConnections({ max: maxConnections, anonymousPercent: sockets.anonymousPercent }, trusted);
  let server: Server | null = null;
  let rule: HostRule | null = null;
  let originRule: OriginRule | null = null;

  function boundTo(): string {
    const bound = server?.address();
    return bound && typeof bound === 'object' ? bound.address : host;
  }

  const hosts = () => (rule ??= createHostRule(boundTo(), { publicUrl, allowedHosts }));

  return {
    connections,
    watch(given) {
      server = given;
      connections.watch(given);
    },
    hosts,
    origins: () => (originRule ??= createOriginRule(config, hosts(), logger)),
    addressOf: ({ socket, headers }) => clientAddress(socket.remoteAddress, forwardedFor(headers), trusted),
  };
}

/** Node joins several headers of this name with commas, in their order. */
const forwardedFor = ({ 'x-forwarded-for': given }: IncomingMessage['headers']): string | undefined =>
  Array.isArray(given) ? given.join() : given;
