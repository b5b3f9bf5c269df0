import type { Verdict } from './kill.ts';
import type { Mutation } from './mutations.ts';
import { type Outcome, redFiles } from './vitest.ts';

/** Runs test files with these faults made, in `src` and in `dist`. */
export type RunGroup = (mutations: readonly Mutation[], files: readonly string[]) => Promise<Outcome>;
/** Called with each fault as soon as it is known what came of it. */
export type OnVerdict = (mutation: Mutation, verdict: Verdict) => void;

const overlap = (a: Mutation, b: Mutation): boolean => a.file === b.file && a.start < b.end && b.start < a.end;

/** Groups of at most `size`, in which no two faults are in one place. */
export function groupsOf(mutations: readonly Mutation[], size: number): Mutation[][] {
  const groups: Mutation[][] = [];
  for (const mutation of mutations) {
    const free = groups.find((group) => group.length < size && !group.some((other) => overlap(other, mutation)));
    if (free) free.push(mutation);
    else groups.push([mutation]);
  }
  return groups;
}

/**
 * The first file that is red again with the fault and green without any, if there is one: another was red by chance.
 */
async function confirmed(mutation: Mutation, files: readonly string[], run: RunGroup): Promise<Verdict> {
  for (const file of files) {
    const again = await run([mutation], [file]);
    if (again.state === 'green') continue;
    const clean = await run([], [file]);
    if (clean.state !== 'green') continue;
    const failed = again.files.find((result) => result.file === file)?.failed[0];
    return {
      state: again.state === 'timed out' ? 'timed out' : 'killed',
      by: file,
      test: failed ?? again.errors[0] ?? '',
    };
  }
  return { state: 'alive' };
}

/**
 * Tries a group of faults together. Green: the tests notice none of them. Red: each half is tried with the files that
 * were red, and so on, down to single faults. A file that is red in both halves' parent and in neither half was red by
 * chance, or by two faults together.
 */
export async function tryGroup(
  group: readonly Mutation[],
  files: readonly string[],
  run: RunGroup,
  onVerdict: OnVerdict,
): Promise<void> {
  const red = redFiles(await run(group, files), files);
  if (red.length === 0) {
    for (const mutation of group) onVerdict(mutation, { state: 'alive' });
  } else if (group.length === 1) onVerdict(group[0]!, await confirmed(group[0]!, red, run));
  else {
    const middle = Math.ceil(group.length / 2);
    await tryGroup(group.slice(0, middle), red, run, onVerdict);
    await tryGroup(group.slice(middle), red, run, onVerdict);
  }
}
