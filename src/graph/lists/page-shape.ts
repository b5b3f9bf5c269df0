/** A page of a list, as the fields of its connection read it. */
export type PageShape<T> = {
  edges: { node: T; cursor: string }[];
  hasNextPage: boolean;
  hasPreviousPage: boolean;
  count: () => Promise<number>;
  /** Sums over the whole list, for the lists that have them. */
  totals?: () => Promise<unknown>;
};
