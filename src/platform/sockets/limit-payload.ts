import type { WebSocket } from 'ws';

/** What `ws` keeps to itself: it reads the limit of a message for each frame anew, but lets nobody change it once the socket is open. */
type Insides = { _receiver?: { _maxPayload?: unknown } };

/**
 * Lets a socket send messages of at most so many bytes from now on: a longer one is closed with 1009 when the head of its frame says so,
 * before the frame is waited for. False where `ws` does not work in this way any more; what is whole is looked at again by whoever reads
 * messages, so that then it is only refused later.
 */
export function limitPayload(socket: WebSocket, bytes: number): boolean {
  const receiver = (socket as unknown as Insides)._receiver;
  if (typeof receiver?._maxPayload !== 'number') return false;
  receiver._maxPayload = bytes;
  return true;
}
