import { breathe } from '../../src/kernel/async.ts';

/**
 * The longest time, in milliseconds, that the loop of this thread was not free, from the beginning of the work to its
 * end. Rejects as the work does.
 */
export async function longestSlice(work: () => Promise<unknown>): Promise<number> {
  let isDone = false;
  let longest = 0;
  let last = performance.now();
  const done = work().finally(() => {
    isDone = true;
  });
  done.catch(() => {}); // awaited below
  while (!isDone) {
    await breathe();
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }
  await done;
  return longest;
}
