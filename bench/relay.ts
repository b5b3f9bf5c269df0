/**
 * The limit that Colloquy is held against: a model's stream through Redis to WebSockets, and nothing else. No GraphQL,
 * no database, no identity; what is lost on the way is lost. One delta is one message, from the SDK's own iterator to
 * the socket.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Redis } from 'ioredis';
import OpenAI from 'openai';
import { type WebSocket, WebSocketServer } from 'ws';

const { MODEL_URL, REDIS_URL, PREFIX } = process.env as Record<string, string>;
const openai = new OpenAI({ baseURL: MODEL_URL, apiKey: 'scripted', maxRetries: 0 });
const publisher = new Redis(REDIS_URL!, { enableAutoPipelining: true });
const subscriber = new Redis(REDIS_URL!);
const readers = new Map<string, Set<WebSocket>>();

subscriber.on('message', (channel: string, text: string) => {
  for (const socket of readers.get(channel) ?? []) socket.send(text);
});

async function join(socket: WebSocket, id: string): Promise<void> {
  const channel = `${PREFIX}:${id}`;
  const group = readers.get(channel);
  if (group) group.add(socket);
  else {
    readers.set(channel, new Set([socket]));
    await subscriber.subscribe(channel);
  }
  socket.once('close', () => leave(socket, channel));
  socket.send(JSON.stringify({ id, joined: true }));
}

function leave(socket: WebSocket, channel: string): void {
  const group = readers.get(channel);
  group?.delete(socket);
  if (group?.size !== 0) return;
  readers.delete(channel);
  void subscriber.unsubscribe(channel);
}

async function run(id: string, prompt: string): Promise<void> {
  const channel = `${PREFIX}:${id}`;
  const stream = await openai.chat.completions.create({
    model: 'gpt-4o-mini',
    stream: true,
    messages: [{ role: 'user', content: prompt }],
  });
  for await (const chunk of stream) {
    const text = chunk.choices[0]?.delta.content;
    // Waited for: a relay that publishes faster than it reads is cut off by Redis, and loses nearly all. It costs a
    // seventh of the speed.
    if (text) await publisher.publish(channel, JSON.stringify({ id, text }));
  }
  await publisher.publish(channel, JSON.stringify({ id, done: true }));
}

const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
server.on('connection', (socket) => {
  socket.on('error', () => socket.terminate());
  socket.on('message', async (data: Buffer) => {
    const { id, prompt } = JSON.parse(data.toString()) as { id: string; prompt?: string };
    await join(socket, id);
    if (prompt) await run(id, prompt);
  });
});
await once(server, 'listening');
process.send!({ url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}` });
process.once('SIGTERM', () => process.exit(0));
