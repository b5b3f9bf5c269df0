/**
 * Preloaded into a process of the product together with --expose-gc: at SIGUSR2 it collects its garbage and prints what
 * it still holds, in bytes, as a line "MEMORY <bytes>".
 */
process.on('SIGUSR2', () => {
  global.gc();
  setImmediate(() => {
    global.gc();
    const { heapUsed, external } = process.memoryUsage();
    console.log(`MEMORY ${heapUsed + external}`);
  });
});
