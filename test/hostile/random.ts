import { createRandom } from '../kit/logs.ts';

/** Chance that can be had again: the same seed gives the same choices. */
export type Chance = {
  /** A whole number from 0 to below `n`. */
  below(n: number): number;
  /** True in so many of a hundred cases. */
  percent(n: number): boolean;
  pick<T>(from: readonly T[]): T;
  /** So many of them, each once, in their order. */
  some<T>(from: readonly T[], count: number): T[];
};

export function createChance(seed: number): Chance {
  const next = createRandom(seed);
  const chance: Chance = {
    below: (n) => Math.floor(next() * n),
    percent: (n) => next() * 100 < n,
    pick: (from) => from[chance.below(from.length)]!,
    some(from, count) {
      const left = new Set(from.keys());
      while (left.size > count) left.delete(chance.pick([...left]));
      return [...left].map((at) => from[at]!);
    },
  };
  return chance;
}
