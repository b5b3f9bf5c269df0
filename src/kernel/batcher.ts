import { pause } from './async.ts';

type Waiting<K, V> = { key: K; resolve: (value: V) => void; reject: (error: unknown) => void };

export type BatcherOptions<K> = {
  /** Keys of one load at the most. */
  max: number;
  /** Loads that may be under way at once. */
  parallel: number;
  /** Equal names are one key, loaded once. */
  nameOf: (key: K) => string;
  /** How long a load that is not full yet waits for more, in milliseconds; 0 when nothing is said. */
  gather?: () => number;
};

/**
 * Loads keys together: while as many loads as allowed are under way, whatever is asked for waits and goes with the
 * next. A key that comes alone is loaded at once, unless `gather` says otherwise, and a thousand that come together
 * cost a few dozen loads. A load begins after its keys were asked for.
 */
export function createBatcher<K, V>(
  { max, parallel, nameOf, gather = () => 0 }: BatcherOptions<K>,
  load: (keys: readonly K[]) => Promise<readonly V[]>,
) {
  let waiting = new Map<string, Waiting<K, V>[]>();
  let loads = 0;

  async function run(): Promise<void> {
    loads += 1;
    while (waiting.size > 0) {
      const ms = waiting.size < max ? gather() : 0;
      if (ms > 0) await pause(ms);
      const groups = takeBatch(); // another load may have taken them all meanwhile
      if (groups.length > 0) await loadAll(groups);
    }
    loads -= 1;
  }

  function takeBatch(): Waiting<K, V>[][] {
    const all = [...waiting];
    waiting = new Map(all.slice(max));
    return all.slice(0, max).map(([, group]) => group);
  }

  async function loadAll(groups: Waiting<K, V>[][]): Promise<void> {
    try {
      const values = await load(groups.map(([first]) => first!.key));
      for (const [index, group] of groups.entries()) for (const { resolve } of group) resolve(values[index]!);
    } catch (error) {
      for (const { reject } of groups.flat()) reject(error);
    }
  }

  return (key: K): Promise<V> =>
    new Promise((resolve, reject) => {
      const name = nameOf(key);
      const group = waiting.get(name) ?? [];
      waiting.set(name, group);
      group.push({ key, resolve, reject });
      if (loads < parallel) void run();
    });
}
