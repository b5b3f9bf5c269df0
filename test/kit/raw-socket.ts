import { once } from 'node:events';
import { WebSocket } from 'ws';
import { until } from './until.ts';

export type Message = { id?: string; type: string; payload?: unknown };

/** A WebSocket as it is, for clients that do not keep to the protocol: what it was sent, and how it was closed. */
export type RawSocket = {
  socket: WebSocket;
  received: Message[];
  closed: { code: number; reason: string } | null;
  /** Text goes out as it is, everything else as JSON. */
  say(message: string | Buffer | object): void;
  /** The first message that answers; fails where the socket closes instead. */
  hear(isIt: (message: Message) => boolean): Promise<Message>;
  /** What one operation is answered first. */
  ask(id: string, payload: object): Promise<Message>;
  /** The code that it is closed with. */
  end(): Promise<number>;
};

export type Opening = {
  protocol?: string | string[];
  origin?: string;
  path?: string;
  headers?: Record<string, string>;
};

export async function openRaw(
  url: string,
  { protocol = 'graphql-transport-ws', path = '/graphql', ...options }: Opening = {},
): Promise<RawSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}${path}`, protocol, options);
  const raw: RawSocket = {
    socket,
    received: [],
    closed: null,
    say: (message) =>
      socket.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message)),
    async hear(isIt) {
      const found = await until(() => raw.received.find(isIt) ?? (raw.closed ? 'closed' : null), 'a message');
      if (found === 'closed') throw new Error(`The socket was closed with ${raw.closed!.code} ${raw.closed!.reason}`);
      return found;
    },
    ask(id, payload) {
      raw.say({ id, type: 'subscribe', payload });
      return raw.hear((message) => message.id === id);
    },
    end: async () => (await until(() => raw.closed, 'the end of the socket')).code,
  };
  socket.on('message', (data) => raw.received.push(JSON.parse(String(data)) as Message));
  socket.on('close', (code, reason) => {
    raw.closed = { code, reason: String(reason) };
  });
  socket.on('error', () => {});
  await once(socket, 'open');
  return raw;
}

/** One that has said who it is, and was taken. */
export async function openAs(url: string, token: string | null, opening: Opening = {}): Promise<RawSocket> {
  const raw = await openRaw(url, opening);
  raw.say({ type: 'connection_init', ...(token ? { payload: { authorization: `Bearer ${token}` } } : {}) });
  await raw.hear(({ type }) => type === 'connection_ack');
  return raw;
}
