// Preloaded into both servers, with --expose-gc: says at SIGUSR2 what is held once the garbage is collected, and how
// many statements were sent.
import { subscribe } from 'node:diagnostics_channel';

let statements = 0;
subscribe('colloquy.statement', () => {
  statements += 1;
});

process.on('SIGUSR2', () => {
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, external, rss } = process.memoryUsage();
  process.send({ memory: { held: heapUsed + external, rss, statements } });
});
