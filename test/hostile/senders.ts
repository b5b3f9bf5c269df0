import { once } from 'node:events';
import { WebSocket } from 'ws';

export type Answer = { status: number; text: string };

/** One request over HTTP. Of a stream only the first event is read; then the client leaves. */
export async function sendOverHttp(
  url: string,
  token: string,
  body: string | Buffer,
  streams: boolean,
): Promise<Answer> {
  const leave = new AbortController();
  const accept = streams ? 'text/event-stream' : 'application/graphql-response+json, application/json';
  const headers = { 'content-type': 'application/json', accept, authorization: `Bearer ${token}` };
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers,
    body: body as BodyInit,
    signal: leave.signal,
  });
  if (!streams || !response.headers.get('content-type')?.startsWith('text/event-stream'))
    return { status: response.status, text: await response.text() };
  let text = '';
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.includes('event: next')) break;
  }
  leave.abort();
  return { status: response.status, text };
}

/**
 * A socket for many operations at once. Each is answered by what came for it; of a stream only the first payload is
 * waited for.
 */
export type Peer = { send(message: string, id: string): Promise<Answer>; isOpen(): boolean; close(): void };

export async function openPeer(url: string, token: string): Promise<Peer> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  const waiting = new Map<string, (answer: Answer) => void>();
  const settle = (id: string, answer: Answer) => {
    waiting.get(id)?.(answer);
    waiting.delete(id);
  };
  socket.on('close', (code) => {
    for (const id of [...waiting.keys()]) settle(id, { status: code, text: '' });
  });
  socket.on('error', () => {});
  await once(socket, 'open');
  socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${token}` } }));
  await once(socket, 'message');
  socket.on('message', (data) => {
    const text = String(data);
    const { id, type } = JSON.parse(text) as { id?: string; type: string };
    if (id === undefined) return;
    if (type === 'next' && waiting.has(id)) socket.send(JSON.stringify({ id, type: 'complete' })); // enough
    settle(id, { status: 200, text });
  });
  return {
    send: (message, id) =>
      new Promise((resolve) => {
        if (socket.readyState !== WebSocket.OPEN) return resolve({ status: 0, text: '' });
        waiting.set(id, resolve);
        socket.send(message);
      }),
    isOpen: () => socket.readyState === WebSocket.OPEN,
    close: () => socket.terminate(),
  };
}
