import { expect, it } from 'vitest';
import { defer } from '../../src/kernel/async.ts';
import { createLines } from '../../src/kernel/lines.ts';

it('the work of one key is done one after another, and nobody else waits for it', async () => {
  const lines = createLines();
  const first = defer<void>();
  const begun: string[] = [];
  const work = (name: string, end: Promise<unknown> = Promise.resolve()) => {
    begun.push(name);
    return end.then(() => name);
  };
  const slow = lines.inLine('alice', () => work('alice 1', first.promise));
  const next = lines.inLine('alice', () => work('alice 2'));
  expect(await lines.inLine('bob', () => work('bob'))).toBe('bob');
  expect(begun).toEqual(['alice 1', 'bob']);
  first.resolve();
  expect(await Promise.all([slow, next])).toEqual(['alice 1', 'alice 2']);
});

it('what fails fails for whoever asked for it, and nothing is kept of it', async () => {
  const lines = createLines();
  const failed = lines.inLine('alice', () => Promise.reject(new Error('no')));
  const after = lines.inLine('alice', async () => 'yes');
  await expect(failed).rejects.toThrow('no');
  expect(await after).toBe('yes');
  await Promise.resolve();
  expect(lines.size).toBe(0);
});
