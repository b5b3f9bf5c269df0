type Waiting<K, V> = { key: K; resolve: (value: V) => void; reject: (error: unknown) => void };

export type BatcherOptions<K> = {
  /** Keys of one load at the most. */
  max: number;
  /** Loads that may be under way at once. */
  parallel: number;
  /** Equal names are one key, loaded once. */
  nameOf: (key: K) => string;
};

/**
 * Loads keys together: while as many loads as allowed are under way, whatever is asked for waits and goes with the next. No timer: a key
 * that comes alone is loaded at once, and a thousand that come together cost a few dozen loads. A load begins after its keys were asked for.
 */
export function createBatcher<K, V>({ max, parallel, nameOf }: BatcherOptions<K>, load: (keys: readonly K[]) => Promise<readonly V[]>) {
  let waiting = new Map<string, Waiting<K, V>[]>();
  let loads = 0;

  async function run(): Promise<void> {
    loads += 1;
    while (waiting.size > 0) await loadAll(take());
    loads -= 1;
  }

  function take(): Waiting<K, V>[][] {
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
