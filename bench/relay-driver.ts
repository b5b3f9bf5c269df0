import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { type Connection, createReading, monotonicMs, type Target } from './driver.ts';

type Open = ReturnType<typeof createReading>;

/**
 * What the relay loses it does not miss: where Redis cuts off its subscriber for being too slow, the end of a stream
 * may be among it. A reader to whom nothing comes for so long has lost the rest.
 */
const patienceMs = 20_000;

/** A client of the bare relay: one JSON message a delta. */
export async function connectRelay({ url }: Target): Promise<Connection> {
  const socket = new WebSocket(url);
  const readings = new Map<string, Open>();
  const waiting = new Map<string, () => void>();
  socket.on('message', (data: Buffer) => {
    last = monotonicMs();
    const message = JSON.parse(data.toString()) as { id: string; text?: string; joined?: true; done?: true };
    const reading = readings.get(message.id);
    if (message.text !== undefined) reading?.take(message.text);
    else if (message.joined) waiting.get(message.id)?.();
    else if (message.done) reading?.end();
  });
  let last = monotonicMs();
  const watch = setInterval(() => {
    if (monotonicMs() - last > patienceMs)
      for (const reading of readings.values()) reading.end('nothing came any more');
  }, 1_000);
  await once(socket, 'open');
  socket.on('close', () => {
    clearInterval(watch);
    for (const reading of readings.values()) reading.end();
  });

  async function open(id: string, words: object): Promise<Open> {
    const reading = createReading();
    readings.set(id, reading);
    const joined = new Promise<void>((resolve) => {
      waiting.set(id, resolve);
    });
    socket.send(JSON.stringify({ id, ...words }));
    await joined;
    return reading;
  }

  const connection = {
    stream: '',
    run(prompt: string) {
      connection.stream = randomUUID();
      return open(connection.stream, { prompt });
    },
    join: (stream: string) => open(stream, {}),
    close: () => socket.terminate(),
  };
  return connection;
}
