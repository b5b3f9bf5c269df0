import type { Mutation } from './mutations.ts';
import { mutateCopy } from './scratch.ts';
import { limitFor, type Outcome, type RunTests } from './vitest.ts';

/** What the tests said of one fault. `by` is the file that noticed it, `test` the first test in it, or the error. */
export type Verdict = { state: 'killed' | 'timed out' | 'alive'; by?: string; test?: string };

type Durations = Readonly<Record<string, number>>;

/**
 * Milliseconds. Files that take less than the first run first, because most faults are noticed by them; then those
 * below the second. What takes longer is run for several faults together.
 */
const costs = [1_000, 4_000];

const between = (files: readonly string[], durations: Durations, from: number, to: number): string[] =>
  files.filter((file) => (durations[file] ?? 0) >= from && (durations[file] ?? 0) < to);

/** The files that are too slow to run for one fault alone. */
export const slowFiles = (files: readonly string[], durations: Durations): string[] =>
  between(files, durations, costs.at(-1)!, Infinity);

/** Who noticed, of a run that was not green. */
export function verdictOf({ state, files, errors, output }: Outcome): Verdict {
  const red = files.find(({ ok }) => !ok);
  if (state === 'green') return { state: 'alive' };
  if (red) return { state: 'killed', by: red.file, test: red.failed[0] ?? errors[0] ?? '' };
  if (state === 'timed out') return { state, by: 'the time limit' };
  return { state: 'killed', by: 'an error outside of tests', test: errors[0] ?? output.slice(-300) };
}

/**
 * How many files run before all others, because they have noticed most faults so far; and how long each may take, in
 * milliseconds.
 */
const [favourites, favouriteMs] = [4, 10_000];

/** How many faults each file has noticed. */
export type Noticed = Readonly<Record<string, number>>;

/**
 * Rounds of files: those that have noticed most faults, then the quick ones, then all but the slow, each file once.
 * Vitest runs the slowest of a round first, so that a good guess has to be a round of its own.
 */
export function roundsOf(
  files: readonly string[],
  { durations, noticed, tiers }: { durations: Durations; noticed: Noticed; tiers: number },
): string[][] {
  const quick = files.filter((file) => noticed[file] && (durations[file] ?? 0) < favouriteMs);
  const first = quick.sort((a, b) => noticed[b]! - noticed[a]!).slice(0, favourites);
  const others = files.filter((file) => !first.includes(file));
  const rest = costs.slice(0, tiers).map((cost, index) => between(others, durations, costs[index - 1] ?? 0, cost));
  return [first, ...rest].filter(({ length }) => length > 0);
}

type Tools = { run: RunTests; durations: Durations; noticed: Noticed; tiers: number };

/**
 * Runs files until one notices the fault, twice: a test that was red by chance would hide a fault that no test notices.
 */
async function tryRound(
  copy: string,
  files: readonly string[],
  { run, durations }: Pick<Tools, 'run' | 'durations'>,
): Promise<Verdict> {
  const look = (some: readonly string[]) =>
    run(copy, { files: some, limitMs: limitFor(some, durations), flags: ['--bail=1'] });
  for (let rest = files; rest.length > 0; ) {
    const outcome = await look(rest);
    const red = outcome.files.find(({ ok }) => !ok)?.file;
    if (!red) return verdictOf(outcome.state === 'green' ? outcome : await look(rest));
    const again = await look([red]);
    if (again.state !== 'green') return verdictOf(again);
    rest = rest.filter((file) => file !== red);
  }
  return { state: 'alive' };
}

/** Makes the fault in a copy and runs the files that reach it, but for the slow ones, until one notices it. */
export async function tryMutation(
  copy: string,
  mutation: Mutation,
  files: readonly string[],
  { run, durations, noticed, tiers }: Tools,
): Promise<Verdict> {
  const restore = await mutateCopy(copy, [mutation]);
  try {
    for (const round of roundsOf(files, { durations, noticed, tiers })) {
      const verdict = await tryRound(copy, round, { run, durations });
      if (verdict.state !== 'alive') return verdict;
    }
    return { state: 'alive' };
  } finally {
    await restore();
  }
}
