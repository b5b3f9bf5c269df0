/**
 * Milliseconds to wait before try `n` (from 1), doubling from `baseMs` up to `maxMs`, spread by full jitter between
 * half and whole.
 */
export function backoff(
  n: number,
  { baseMs, maxMs, random = Math.random }: { baseMs: number; maxMs: number; random?: () => number },
): number {
  const whole = Math.min(maxMs, baseMs * 2 ** (n - 1));
  return Math.round(whole / 2 + (whole / 2) * random());
}
