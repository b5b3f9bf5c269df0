import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { groupBy } from '../../src/kernel/group.ts';
import type { Verdict } from './kill.ts';
import type { Mutation } from './mutations.ts';

/**
 * `alive`: the test files that reach it in their own process noticed nothing; the slow ones of them, and those that
 * start processes, have yet to run. In the end it is `survived`, or `not reached` where no test file reached it in its
 * own process either.
 */
export type State = 'untried' | 'alive' | 'killed' | 'timed out' | 'survived' | 'not reached';

/** A fault and what is known of it. `reachedBy` is null until the tests have run with probes. */
export type Entry = Mutation & { state: State; by?: string; test?: string; reachedBy: string[] | null };

export type Report = {
  seed: number;
  full: boolean;
  startedAt: string;
  /** Milliseconds that a test file takes by itself. */
  durations: Record<string, number>;
  mutants: Entry[];
};

export const newReport = (mutations: readonly Mutation[], settings: { seed: number; full: boolean }): Report => ({
  ...settings,
  startedAt: new Date().toISOString(),
  durations: {},
  mutants: mutations.map((mutation) => ({ ...mutation, state: 'untried', reachedBy: null })),
});

export function readReport(path: string): Report {
  if (!existsSync(path)) throw new Error(`There is no report ${path}.`);
  return JSON.parse(readFileSync(path, 'utf8')) as Report;
}

/** Written beside it and renamed: whoever interrupts finds the whole of the last one. */
export function writeReport(path: string, report: Report): void {
  writeFileSync(`${path}.part`, `${JSON.stringify(report, null, 1)}\n`);
  renameSync(`${path}.part`, path);
}

export const isSurvivor = ({ state }: Entry): boolean => state === 'survived' || state === 'not reached';
export const isKilled = ({ state }: Entry): boolean => state === 'killed' || state === 'timed out';

/** How many faults each test file has noticed so far. */
export const noticedBy = ({ mutants }: Report): Record<string, number> =>
  Object.fromEntries(
    [...groupBy(mutants.filter(isKilled), ({ by }) => by ?? '')].map(([file, entries]) => [file, entries.length]),
  );

/** After the runs in process, and at the end. */
export function applyVerdict(entry: Entry, { state, ...noticed }: Verdict, isLast: boolean): void {
  Object.assign(entry, noticed);
  entry.state = state !== 'alive' ? state : !isLast ? 'alive' : entry.reachedBy?.length ? 'survived' : 'not reached';
}

const short = (text: string): string => {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length > 90 ? `${line.slice(0, 87)}...` : line;
};

/** One line for a person: where, and what is replaced by what. */
export const lineOf = ({ file, line, column, kind, before, after }: Mutation): string =>
  `${file}:${line}:${column} ${kind}: \`${short(before)}\` → \`${short(after)}\``;

const scoreOf = (entries: readonly Entry[]): string => {
  const decided = entries.filter((entry) => isKilled(entry) || isSurvivor(entry));
  const killed = decided.filter(isKilled).length;
  return `${killed} of ${decided.length}${decided.length > 0 ? ` (${((100 * killed) / decided.length).toFixed(1)} %)` : ''}`;
};

function byFolder(entries: readonly Entry[]): string[] {
  const folders = [...new Set(entries.map(({ file }) => dirname(file)))].sort();
  const row = (folder: string): string => {
    const inside = entries.filter(({ file }) => dirname(file) === folder);
    return `| ${folder} | ${inside.length} | ${scoreOf(inside)} | ${inside.filter(isSurvivor).length} |`;
  };
  return ['| folder | faults | killed | survived |', '|---|---|---|---|', ...folders.map(row)];
}

/** The report as a page. */
export function summarise({ mutants, seed, full, startedAt }: Report): string {
  const count = (...states: State[]): number => mutants.filter(({ state }) => states.includes(state)).length;
  const survivors = mutants.filter(isSurvivor);
  const untried = count('untried') > 0 ? [`${count('untried')} were not tried.`] : [];
  const alive =
    count('alive') > 0 ? [`${count('alive')} were not noticed by the quick tests, and the others did not run.`] : [];
  return [
    `# Faults that the tests notice: ${scoreOf(mutants)}`,
    '',
    `Seed ${seed}, ${full ? 'full' : 'default'} run, ${startedAt.slice(0, 10)}. ${mutants.length} drawn: ${count('killed')} killed, ` +
      `${count('timed out')} timed out, ${count('survived')} survived, ${count('not reached')} not reached.`,
    ...untried,
    ...alive,
    '',
    ...byFolder(mutants),
    '',
    '## Survivors',
    '',
    ...survivors.map((entry) => `- ${lineOf(entry)}${entry.state === 'not reached' ? ' (not reached)' : ''}`),
    ...(survivors.length === 0 ? ['None.'] : []),
  ].join('\n');
}
