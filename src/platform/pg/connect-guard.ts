import type pg from 'pg';

type Callback = (error: Error | undefined, client: pg.PoolClient | undefined, done: () => void) => void;

/**
 * Seam: pg-pool 3.14.0, `connect` of one pool, replaced: `pool.query` asks for its connection by it, with a callback. A
 * pool has no public way to refuse somebody. Where it asks past it one day, statements of the pool wait for their
 * connection as long as any do.
 */
export function guardConnect(pool: pg.Pool, refuse: () => Error | null): pg.Pool {
  const connect = pool.connect.bind(pool) as (callback?: Callback) => Promise<pg.PoolClient> | undefined;
  const guarded = (callback?: Callback) => {
    const error = refuse();
    if (!error) return connect(callback);
    if (!callback) return Promise.reject(error);
    process.nextTick(callback, error, undefined, () => {});
    return undefined;
  };
  return Object.assign(pool, { connect: guarded as pg.Pool['connect'] });
}
