/**
 * Preloaded into a process of the product: at SIGUSR2 it prints for how long its event loop was held at the most since
 * the last such signal, in milliseconds, as a line "LOOP <ms>". A slice is no longer than the time that the process
 * computed in it: while it waits for a processor it holds nothing, however long that takes on a busy machine.
 */
let last = performance.now();
let computed = computedMs();
let longest = 0;

function computedMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

setInterval(() => {
  const now = performance.now();
  const computedNow = computedMs();
  longest = Math.max(longest, Math.min(now - last - 1, computedNow - computed));
  last = now;
  computed = computedNow;
}, 1).unref();

process.on('SIGUSR2', () => {
  console.log(`LOOP ${Math.max(0, longest).toFixed(2)}`);
  longest = 0;
});
