import type { Mutation } from './mutations.ts';
import { mutateCopy } from './scratch.ts';
import { limitFor, type Outcome, type RunTests } from './vitest.ts';

/** What the tests said of one fault. `by` is the file that noticed it, `test` the first test in it, or the error. */
export type Verdict = { state: 'killed' | 'timed out' | 'alive'; by?: string; test?: string };

type Durations = Readonly<Record<string, number>>;

/**
 * Milliseconds. Files that take less than the first run first, because most faults are noticed by them; then those below the second. What
 * takes longer is run for several faults together.
 */
const costs = [1_000, 4_000];

const between = (files: readonly string[], durations: Durations, from: number, to: number): string[] =>
  files.filter((file) => (durations[file] ?? 0) >= from && (durations[file] ?? 0) < to);

/** The files that are too slow to run for one fault alone. */
export const slowFiles = (files: readonly string[], durations: Durations): string[] => between(files, durations, costs.at(-1)!, Infinity);

/** Who noticed, of a run that was not green. */
export function verdictOf({ state, files, errors, output }: Outcome): Verdict {
  const red = files.find(({ ok }) => !ok);
  if (state === 'green') return { state: 'alive' };
  if (red) return { state: 'killed', by: red.file, test: red.failed[0] ?? errors[0] ?? '' };
  if (state === 'timed out') return { state, by: 'the time limit' };
  return { state: 'killed', by: 'an error outside of tests', test: errors[0] ?? output.slice(-300) };
}

/** Makes the fault in a copy and runs the files that reach it, but for the slow ones: the quickest first. */
export async function tryMutation(
  copy: string,
  mutation: Mutation,
  files: readonly string[],
  { run, durations, tiers: count }: { run: RunTests; durations: Durations; tiers: number },
): Promise<Verdict> {
  const tiers = costs.slice(0, count).map((cost, index) => between(files, durations, costs[index - 1] ?? 0, cost));
  const restore = await mutateCopy(copy, [mutation]);
  try {
    for (const tier of tiers.filter(({ length }) => length > 0)) {
      const outcome = await run(copy, { files: tier, limitMs: limitFor(tier, durations), flags: ['--bail=1'] });
      if (outcome.state !== 'green') return verdictOf(outcome);
    }
    return { state: 'alive' };
  } finally {
    await restore();
  }
}
