/**
 * Preloaded into a process of the product (`node --import`): sends the process a signal at a named point of a turn's life.
 * STRIKE_AT names the point, STRIKE_WITH the signal (SIGKILL when nothing is said), STRIKE_SKIP how many passings are let through.
 * `on-the-wire` is one more point: the request has left for the provider, and no answer has come.
 */
import { subscribe } from 'node:diagnostics_channel';

const { STRIKE_AT, STRIKE_WITH = 'SIGKILL', STRIKE_SKIP = '0' } = process.env;
let left = Number(STRIKE_SKIP);
let isRequesting = false;

function pass(point) {
  if (point !== STRIKE_AT || left-- !== 0) return; // once: a stopped process that is continued is left alone
  process.kill(process.pid, STRIKE_WITH);
}

subscribe('colloquy.turn', ({ point }) => {
  isRequesting = point === 'request-sent';
  pass(point);
});

// Node's fetch tells when it has handed a whole request to the socket.
subscribe('undici:request:bodySent', () => {
  if (isRequesting) pass('on-the-wire');
});
