/**
 * Waits until `probe` gives something true, and returns it. Fails with the last thing it saw; never waits for a fixed
 * time.
 */
export async function until<T>(
  probe: () => T | Promise<T>,
  what = 'the condition',
  timeoutMs = 20_000,
): Promise<NonNullable<T>> {
  const end = Date.now() + timeoutMs;
  let last: unknown;
  while (Date.now() < end) {
    last = await probe();
    if (last) return last as NonNullable<T>;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`Waited ${timeoutMs} ms for ${what}; the last answer was ${JSON.stringify(last)}`);
}
