import type { Contents } from './budget/index.ts';

/** A row whose contents, `C`, are read apart, and `bytes` of them, known before. */
export type Measured<Row, C> = Omit<Row, keyof C | 'bytes'> & { bytes: number; contents: Contents<C> };

/**
 * Rows as resolvers get them, by the names of their models in Prisma: where a column may be large it is not among
 * theirs, but asked for with the budget of the answer. A room adds such rows of its own beside its loaders; every other
 * one is as Prisma has it.
 */
export interface Rows {
  readonly [unused]?: never;
}
declare const unused: unique symbol;

/** Types of the schema that rooms name without importing one another, by their rows. A room adds its own. */
export interface NamedTypes {
  readonly [unused]?: never;
}
/** Interfaces of the schema that are named so. */
export interface NamedInterfaces {
  readonly [unused]?: never;
}
