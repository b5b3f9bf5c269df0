// Preloaded into both servers, with --expose-gc: says at SIGUSR2 what is held once the garbage is collected.
process.on('SIGUSR2', () => {
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, external, rss } = process.memoryUsage();
  process.send({ memory: { held: heapUsed + external, rss } });
});
