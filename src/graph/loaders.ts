import DataLoader from 'dataloader';
import { groupBy } from '../kernel/group.ts';
import { lazily } from '../kernel/lazy.ts';
import type { Database } from '../platform/db.ts';
import type { AnswerBudget } from './budget/index.ts';
import type { Services } from './services.ts';

/** Reads one thing by its key, or null, in one batch with whatever else is asked for at that moment. */
export type Loader<T> = DataLoader<string, T | null>;

/**
 * The batched reads of one answer, made anew for each operation and each payload of a subscription. Each room declares
 * its own by adding to this interface, and makes them with `addLoaders`.
 */
export interface Loaders {
  readonly [unused]?: never;
}
declare const unused: unique symbol;

/**
 * Makes loaders when they are first asked for: few operations ask for more than two, and a subscription does so with
 * every frame.
 */
type Makers<K extends keyof Loaders> = { [P in K]: (budget: AnswerBudget, loaders: Loaders) => Loaders[P] };

/** What loaders read from. */
export type LoaderSources = Pick<Database, 'query'> & { db: Database['prisma']; services: Services };

const rooms: ((sources: LoaderSources) => Partial<Makers<keyof Loaders>>)[] = [];

/**
 * Adds the loaders of a room. `create` is called once for a process, its makers once for each answer that asks for
 * them.
 */
export const addLoaders = <K extends keyof Loaders>(create: (sources: LoaderSources) => Makers<K>): void =>
  void rooms.push(create as (sources: LoaderSources) => Partial<Makers<keyof Loaders>>);

/** The loaders of all rooms, for one answer after the other. */
export function prepareLoaders(sources: LoaderSources): (budget: AnswerBudget) => Loaders {
  const makers = Object.assign({}, ...rooms.map((create) => create(sources))) as Makers<keyof Loaders>;
  return lazily<Loaders, AnswerBudget>(makers as Parameters<typeof lazily<Loaders, AnswerBudget>>[0]);
}

export const batched = <T>(load: (keys: readonly string[]) => Promise<Map<string, T>>): Loader<T> =>
  new DataLoader(async (keys) => {
    const found = await load(keys);
    return keys.map((key) => found.get(key) ?? null);
  });

/** Rows by their own ids, in any order. */
export const byId = <T extends { id: string }>(load: (ids: readonly string[]) => Promise<T[]>): Loader<T> =>
  batched(async (ids) => new Map((await load(ids)).map((row) => [row.id, row])));

/** Rows of many parents, by parent. */
export const listed = <T>(load: (ids: readonly string[]) => Promise<T[]>, parentOf: (row: T) => string): Loader<T[]> =>
  batched(async (ids) => groupBy(await load(ids), parentOf));

/** A column that may be large: how many bytes it has, and its values, by the ids of their rows. */
export type LargeColumn<T> = {
  lengths(ids: readonly string[]): Promise<{ id: string; bytes: number }[]>;
  values(ids: readonly string[]): Promise<Map<string, T>>;
};

/** Values of a column that few ask for: their lengths are read and charged before they are. */
export const large = <T>(budget: AnswerBudget, { lengths, values }: LargeColumn<T>): Loader<T> =>
  batched(async (ids) => {
    const found = await lengths(ids);
    const bytes = found.reduce((sum, each) => sum + each.bytes, 0);
    return budget.readKnown(bytes, () => values(found.map(({ id }) => id)));
  });

/** The rows with these ids, in this order. One that has gone meanwhile is left out. */
export const present = async <T>(loader: Loader<T>, ids: readonly string[]): Promise<T[]> =>
  (await Promise.all(ids.map((id) => loader.load(id)))).filter((row) => row !== null);
