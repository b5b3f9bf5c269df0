import { describe, expect, it } from 'vitest';
import { isConflict, isConnectionLoss } from '../../src/platform/db-errors.ts';
import { withRetry } from '../../src/platform/transaction.ts';

const failing = (error: unknown) => {
  const calls = {
    count: 0,
    async run(): Promise<never> {
      calls.count += 1;
      throw error;
    },
  };
  return calls;
};
const conflict = Object.assign(new Error('deadlock detected'), { code: '40P01' });
const lost = new Error('Connection terminated unexpectedly');

describe('the retry of transactions', () => {
  it('gives up after four conflicts', async () => {
    const calls = failing(conflict);
    await expect(withRetry(calls.run, () => true)).rejects.toBe(conflict);
    expect(calls.count).toBe(4);
  });

  it('tries a lost connection again only before the work began', async () => {
    const [before, after] = [failing(lost), failing(lost)];
    await expect(withRetry(before.run, () => false)).rejects.toBe(lost);
    await expect(withRetry(after.run, () => true)).rejects.toBe(lost);
    expect([before.count, after.count]).toEqual([4, 1]);
  });

  it('never tries anything else again', async () => {
    const calls = failing(Object.assign(new Error('duplicate key'), { code: '23505' }));
    await expect(withRetry(calls.run, () => false)).rejects.toThrow('duplicate key');
    expect(calls.count).toBe(1);
  });

  it.each(['timeout expired', 'timeout exceeded when trying to connect', 'Query read timeout'])(
    'takes “%s” for a lost connection',
    (message) => {
      expect(isConnectionLoss(new Error(message))).toBe(true);
    },
  );

  it('finds the reason under what wraps it, also in a circle', () => {
    const wrapped = new Error('outer', {
      cause: { meta: { driverAdapterError: { cause: { originalCode: '40001' } } } },
    });
    expect(isConflict(wrapped)).toBe(true);
    const circle: { cause?: unknown } = {};
    circle.cause = circle;
    expect([isConflict(circle), isConflict(null), isConflict('40001'), isConnectionLoss(undefined)]).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });
});
