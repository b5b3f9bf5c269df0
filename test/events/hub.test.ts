import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type Batch, createHub, createLocalBus } from '../../src/events/index.ts';
import { defer } from '../../src/kernel/async.ts';

const batch = (conversationId: string, from: number, to: number): Batch => ({ conversationId, from, to, events: [] });

function listener() {
  const got: (number | string)[] = [];
  return {
    got,
    onBatch: ({ to }: Batch) => void got.push(to),
    onHead: (head: number) => void got.push(`head ${head}`),
  };
}

function createWorld() {
  const bus = createLocalBus();
  const heads = new Map<string, number>();
  const asked: string[][] = [];
  const faults: unknown[] = [];
  const counts = { listens: 0, left: 0 };
  const counted: typeof bus = {
    ...bus,
    async listen(id, onBatch) {
      counts.listens += 1;
      const leave = await bus.listen(id, onBatch);
      return () => {
        counts.left += 1;
        leave();
      };
    },
  };
  let held: Promise<void> = Promise.resolve();
  /** Keeps answers back until what it gives is called. */
  const hold = (): (() => void) => {
    const { promise, resolve } = defer<void>();
    held = promise;
    return resolve;
  };
  const log = {
    async heads(ids: readonly string[]) {
      asked.push([...ids]);
      await held;
      if (heads.get('broken')) throw new Error('away');
      return new Map(ids.map((id) => [id, { head: heads.get(id) ?? 0, epoch: 1 }]));
    },
  };
  const hub = createHub(log, counted, { pollMs: 1_000, onFault: (error) => void faults.push(error) });
  return { hub, bus, heads, asked, faults, counts, hold };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('shares one subscription among all readers of a conversation, and ends it with the last', async () => {
  const { hub, bus, counts } = createWorld();
  const [one, two] = [listener(), listener()];
  const leaveOne = await hub.listen('a', one);
  const leaveTwo = await hub.listen('a', two);
  bus.publish(batch('a', 0, 1));
  bus.publish(batch('b', 0, 9));
  leaveOne();
  bus.publish(batch('a', 1, 2));
  expect([one.got, two.got]).toEqual([[1], [1, 2]]);
  expect(counts).toEqual({ listens: 1, left: 0 });
  expect(hub.size).toBe(1);
  leaveTwo();
  leaveTwo();
  await vi.advanceTimersByTimeAsync(0);
  expect(counts).toEqual({ listens: 1, left: 1 });
  expect(hub.size).toBe(0);
});

it('asks once for all conversations that are read, and tells of heads that no batch brought', async () => {
  const { hub, bus, heads, asked } = createWorld();
  const [a, b] = [listener(), listener()];
  await hub.listen('a', a);
  await hub.listen('b', b);
  bus.publish(batch('a', 0, 5));
  heads.set('a', 5).set('b', 3);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(asked).toEqual([['a', 'b']]);
  expect(a.got).toEqual([5]);
  expect(b.got).toEqual(['head 3']);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(b.got).toEqual(['head 3']);
});

it('asks nothing while nobody reads', async () => {
  const { hub, asked } = createWorld();
  (await hub.listen('a', listener()))();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(asked).toEqual([]);
  await hub.listen('b', listener());
  await vi.advanceTimersByTimeAsync(1_000);
  expect(asked.at(-1)).toEqual(['b']);
});

it('asks once at a time, also where a reader comes while it asks', async () => {
  const { hub, asked, hold } = createWorld();
  await hub.listen('a', listener());
  const release = hold();
  await vi.advanceTimersByTimeAsync(1_000);
  await hub.listen('b', listener());
  await vi.advanceTimersByTimeAsync(5_000);
  expect(asked).toEqual([['a']]);
  release();
  await vi.advanceTimersByTimeAsync(3_000);
  expect(asked.slice(1)).toEqual([
    ['a', 'b'],
    ['a', 'b'],
    ['a', 'b'],
  ]);
});

it('goes on asking after the database was away', async () => {
  const { hub, heads, faults } = createWorld();
  const reader = listener();
  await hub.listen('a', reader);
  heads.set('broken', 1).set('a', 4);
  await vi.advanceTimersByTimeAsync(1_000);
  heads.delete('broken');
  await vi.advanceTimersByTimeAsync(1_000);
  expect(faults).toHaveLength(1);
  expect(reader.got).toEqual(['head 4']);
});

it('leaves no timer behind', async () => {
  const { hub } = createWorld();
  await hub.listen('a', listener());
  hub.close();
  expect(vi.getTimerCount()).toBe(0);
});
