import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { applyMutations, candidatesOf, type Mutation, parses } from './mutations.ts';

/** Texts by their path from the root of the repository. */
export type Sources = ReadonlyMap<string, string>;

/** Where a fault loses answers or money. */
export const folders = ['src/engine', 'src/events', 'src/features/worker'];

export function readSources(root: string, within: readonly string[] = folders): Sources {
  const files = within.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map(
      (file) => `${folder}/${file.replaceAll('\\', '/')}`,
    ),
  );
  const sources = files.filter((file) => file.endsWith('.ts')).sort();
  return new Map(sources.map((file) => [file, readFileSync(join(root, file), 'utf8')]));
}

/**
 * A place in an order that follows from the seed and the fault alone: what changes in one file changes no draw in
 * another.
 */
const rank = (seed: number, { id }: Mutation): string => createHash('sha1').update(`${seed} ${id}`).digest('hex');

const byRank = (seed: number, mutations: readonly Mutation[]): Mutation[] => {
  const ranks = new Map(mutations.map((each) => [each, rank(seed, each)]));
  return [...mutations].sort((a, b) => (ranks.get(a)! < ranks.get(b)! ? -1 : 1));
};

/**
 * Parts of `count` in proportion to the sizes, whole, and no larger than them: the largest remainders are rounded up.
 */
export function proportionalParts(sizes: readonly number[], count: number): number[] {
  const all = sizes.reduce((sum, size) => sum + size, 0);
  if (count >= all) return [...sizes];
  const exact = sizes.map((size) => (size * count) / all);
  const parts = exact.map(Math.floor);
  const missing = count - parts.reduce((sum, part) => sum + part, 0);
  const remainder = (index: number): number => exact[index]! - parts[index]!;
  const roundedUp = [...sizes.keys()].sort((a, b) => remainder(b) - remainder(a) || a - b).slice(0, missing);
  for (const index of roundedUp) parts[index]! += 1;
  return parts;
}

function firstThatParse(mutations: readonly Mutation[], text: string, count: number): Mutation[] {
  const found: Mutation[] = [];
  for (const each of mutations) {
    if (found.length === count) break;
    if (each.before !== each.after && parses(applyMutations(text, [each]))) found.push(each);
  }
  return found;
}

/**
 * `count` faults, over the files in proportion to what can be mutated in each; the same for equal sources and seed, in
 * a drawn order.
 */
export function draw(sources: Sources, { count, seed }: { count: number; seed: number }): Mutation[] {
  const candidates = [...sources].map(([file, text]) => ({ text, mutations: byRank(seed, candidatesOf(file, text)) }));
  const parts = proportionalParts(
    candidates.map(({ mutations }) => mutations.length),
    count,
  );
  return byRank(
    seed,
    candidates.flatMap(({ text, mutations }, index) => firstThatParse(mutations, text, parts[index]!)),
  );
}
