import type { RunGroup } from './groups.ts';
import { groupsOf, tryGroup } from './groups.ts';
import { slowFiles, tryMutation } from './kill.ts';
import type { Mutation } from './mutations.ts';
import { mapReach } from './reach.ts';
import { applyVerdict, type Entry, isKilled, lineOf, noticedBy, type Report } from './report.ts';
import { mutateCopy, type Scratch } from './scratch.ts';
import type { TestFiles } from './test-files.ts';
import type { RunTests } from './vitest.ts';

/** What the stages of a run share. */
export type MutantRun = {
  report: Report;
  tests: TestFiles;
  scratch: Scratch;
  /** One copy for each job. */
  copies: string[];
  /** As many workers as one run may have that has the machine for itself. */
  runAlone: RunTests;
  /** As many as each job may have beside the others. */
  run: RunTests;
  compile: (text: string, file: string) => string;
  isOver: () => boolean;
  save: () => void;
};

/** First: which test files reach which fault. A report that is resumed knows it. */
export async function reachStage({ report, tests, scratch, runAlone, save }: MutantRun): Promise<void> {
  if (report.mutants.every(({ reachedBy }) => reachedBy !== null)) return;
  console.error(`reach: ${tests.inProcess.length} test files with probes`);
  const copy = await scratch.copy('probed');
  const { reachedBy, durations } = await mapReach(copy, report.mutants, tests.inProcess, runAlone);
  report.durations = durations;
  for (const entry of report.mutants) entry.reachedBy = [...(reachedBy.get(entry.id) ?? [])];
  save();
}

/** Runs the work on every item, each copy one at a time, until there are no more or the time is over. */
async function forEachCopy<T>(
  { copies, isOver }: MutantRun,
  items: readonly T[],
  work: (copy: string, item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const serve = async (copy: string): Promise<void> => {
    while (queue.length > 0 && !isOver()) await work(copy, queue.shift()!);
  };
  const stop = (error: unknown): never => {
    queue.length = 0; // the other jobs end what they have begun, and then the copies can go
    throw error;
  };
  const ends = await Promise.allSettled(copies.map((copy) => serve(copy).catch(stop)));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

function logProgress({ mutants }: Report, entry: Entry): void {
  const done = mutants.filter(({ state }) => state !== 'untried').length;
  console.error(
    `${done}/${mutants.length} ${entry.state}${isKilled(entry) ? ` by ${entry.by}` : ''}: ${lineOf(entry)}`,
  );
}

/** Second: each fault alone, with the test files that reach it in their own process and are not slow. */
export async function killStage(whole: MutantRun, tiers: 1 | 2): Promise<void> {
  const { report, run, save } = whole;
  const untried = report.mutants.filter(({ state }) => state === 'untried' || (tiers > 1 && state === 'alive'));
  await forEachCopy(whole, untried, async (copy, entry) => {
    applyVerdict(
      entry,
      await tryMutation(copy, entry, entry.reachedBy ?? [], {
        run,
        durations: report.durations,
        noticed: noticedBy(report),
        tiers,
      }),
      false,
    );
    logProgress(report, entry);
    save();
  });
}

/** Three times what is usual, because a group is not cut short at its first red file. */
const limitMs = (files: readonly string[], durations: Readonly<Record<string, number>>): number =>
  60_000 + 3 * files.reduce((sum, file) => sum + (durations[file] ?? 60_000), 0);

/**
 * Third: what is alive, in groups, with the slow ones of these files, and with those that start processes of the
 * product. What has not been tried alone runs with the quick ones, too.
 */
export async function groupStage(whole: MutantRun, size: number): Promise<void> {
  const { report, tests, run, compile, save } = whole;
  const alive = report.mutants.filter(({ state }) => state === 'alive' || state === 'untried');
  const groups = groupsOf(alive, size);
  console.error(`groups: ${groups.length}, of ${alive.length} faults`);
  const filesFor = (group: readonly Mutation[]): string[] => {
    const ids = new Set(group.map(({ id }) => id));
    const reaching = new Set(alive.filter(({ id }) => ids.has(id)).flatMap(({ reachedBy }) => reachedBy ?? []));
    const isNew = alive.some(({ id, state }) => ids.has(id) && state === 'untried');
    return [...(isNew ? reaching : slowFiles([...reaching], report.durations)), ...tests.spawning];
  };
  await forEachCopy(whole, groups, async (copy, group) => {
    const runGroup: RunGroup = async (mutations, files) => {
      const restore = await mutateCopy(copy, mutations, compile);
      try {
        const outcome = await run(copy, { files, limitMs: limitMs(files, report.durations) });
        for (const { file, ok, ms } of outcome.files)
          if (ok) report.durations[file] = Math.max(ms, report.durations[file] ?? 0);
        return outcome;
      } finally {
        await restore();
      }
    };
    await tryGroup(group, filesFor(group), runGroup, (mutation, verdict) => {
      const entry = report.mutants.find(({ id }) => id === mutation.id)!;
      applyVerdict(entry, verdict, true);
      logProgress(report, entry);
      save();
    });
  });
}
