import { expect, it } from 'vitest';
import { defer } from '../../src/kernel/async.ts';
import { createKeyedQueue } from '../../src/kernel/keyed-queue.ts';

it('the work of one key is done one after another, and nobody else waits for it', async () => {
  const lines = createKeyedQueue();
  const first = defer<void>();
  const begun: string[] = [];
  const work = (name: string, end: Promise<unknown> = Promise.resolve()) => {
    begun.push(name);
    return end.then(() => name);
  };
  const slow = lines.enqueue('alice', () => work('alice 1', first.promise));
  const next = lines.enqueue('alice', () => work('alice 2'));
  expect(await lines.enqueue('bob', () => work('bob'))).toBe('bob');
  expect(begun).toEqual(['alice 1', 'bob']);
  first.resolve();
  expect(await Promise.all([slow, next])).toEqual(['alice 1', 'alice 2']);
});

it('what fails fails for whoever asked for it, and nothing is kept of it', async () => {
  const lines = createKeyedQueue();
  const failed = lines.enqueue('alice', () => Promise.reject(new Error('no')));
  const after = lines.enqueue('alice', async () => 'yes');
  await expect(failed).rejects.toThrow('no');
  expect(await after).toBe('yes');
  await Promise.resolve();
  expect(lines.size).toBe(0);
});
