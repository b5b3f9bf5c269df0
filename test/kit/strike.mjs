/**
 * Preloaded into a process of the product (`node --import`): sends the process a signal at a named point of a turn's
 * life. STRIKE_AT names the point, STRIKE_WITH the signal (SIGKILL when nothing is said), STRIKE_SKIP how many passings
 * are let through. Where the parent has a channel to the process, it can say the same later: `{ strike: { at, signal,
 * skip } }`, and set the clock wrong: `{ clockMs }`. Two more points than the product names itself:
 * - `on-the-wire`: the request has left for the provider, and no answer has come.
 * - `usage-write`: the row of the ledger is about to be written, in the middle of its transaction.
 */
import { subscribe } from 'node:diagnostics_channel';

const { STRIKE_AT, STRIKE_WITH = 'SIGKILL', STRIKE_SKIP = '0' } = process.env;
let strike = STRIKE_AT ? { at: STRIKE_AT, signal: STRIKE_WITH, skip: Number(STRIKE_SKIP) } : null;
let isRequesting = false;

function pass(point) {
  if (strike?.at !== point || strike.skip-- > 0) return;
  const { signal } = strike;
  strike = null; // once: a stopped process that is continued is left alone
  process.kill(process.pid, signal);
}

subscribe('colloquy.turn', ({ point }) => {
  isRequesting = point === 'request-sent';
  pass(point);
});

// A request has finished when all of it is handed to the socket.
subscribe('http.client.request.start', ({ request }) => {
  if (isRequesting) request.once('finish', () => pass('on-the-wire'));
});

subscribe('colloquy.statement', ({ text }) => {
  if (/INSERT INTO usage\b/.test(text)) pass('usage-write');
});

if (process.channel) {
  process.on('message', (order) => {
    if (order.strike) strike = { signal: 'SIGKILL', skip: 0, ...order.strike };
    if (order.clockMs !== undefined) clockMs = order.clockMs;
  });
  process.channel.unref(); // nobody stays for the sake of orders
}

// The wall clock only: timers and `performance` run on, as they do on a machine whose clock is set wrong.
let clockMs = Number(process.env.CLOCK_MS ?? 0);
const { now } = Date;
Date.now = () => now() + clockMs;
globalThis.Date = new Proxy(Date, {
  construct: (target, given, called) => Reflect.construct(target, given.length > 0 ? given : [Date.now()], called),
  apply: () => new Date().toString(),
});
