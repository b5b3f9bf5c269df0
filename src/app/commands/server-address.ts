import type { Config } from '../config.ts';

/**
 * Where the server of this configuration will be; a server on every address is on loopback, too. A port of 0 is known
 * when it runs.
 */
export function serverAddress({ host, port }: Pick<Config['http'], 'host' | 'port'>): string {
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
  return `http://${name}:${port || '<the port that it prints>'}`;
}
