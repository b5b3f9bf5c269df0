import type { WebSocket } from 'ws';

/**
 * Seam: ws 8.23.0, `socket._receiver._maxPayload`, the limit of a message, which it reads for each frame anew. In
 * public it is an option of the server alone, for every socket and as long as that is open. Where it is gone, a message
 * that is whole is looked at again by whoever reads it.
 */
type Insides = { _receiver?: { _maxPayload?: unknown } };

/**
 * Lets a socket send messages of at most so many bytes from now on: a longer one is closed with 1009 when the head of
 * its frame says so, before the frame is waited for. False where `ws` does not work in this way any more; what is whole
 * is looked at again by whoever reads messages, so that then it is only refused later.
 */
export function limitPayload(socket: WebSocket, bytes: number): boolean {
  const receiver = (socket as unknown as Insides)._receiver;
  if (typeof receiver?._maxPayload !== 'number') return false;
  receiver._maxPayload = bytes;
  return true;
}
