/**
 * Does the work of one key one after another, in the order that it came, and that of others beside it: whoever asks for
 * much waits behind themselves. Of a key without work nothing is kept.
 */
export function createKeyedQueue() {
  const ends = new Map<string, Promise<unknown>>();

  return {
    enqueue<T>(key: string, work: () => Promise<T>): Promise<T> {
      const done = (ends.get(key) ?? Promise.resolve()).then(work, work);
      ends.set(key, done);
      const leave = () => {
        if (ends.get(key) === done) ends.delete(key);
      };
      done.then(leave, leave);
      return done;
    },
    /** Keys that have work. */
    get size(): number {
      return ends.size;
    },
  };
}
