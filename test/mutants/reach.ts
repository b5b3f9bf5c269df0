import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { instrument } from './instrument.ts';
import type { Mutation } from './mutations.ts';
import { isStray, limitFor, type Outcome, type RunTests, redFiles } from './vitest.ts';

/** Which test files evaluate the place of a fault, and how many milliseconds each file takes by itself. */
export type Reach = { reachedBy: ReadonlyMap<string, readonly string[]>; durations: Record<string, number> };

/**
 * Each file in a process of its own: where files share a server, its start would count as reached by the first of them
 * alone.
 */
const isolated = ['--pool=forks', '--isolate'];

async function writeProbes(copy: string, mutations: readonly Mutation[]): Promise<void> {
  for (const file of new Set(mutations.map((each) => each.file))) {
    const text = await readFile(join(copy, file), 'utf8');
    const ofFile = mutations.filter((each) => each.file === file);
    await writeFile(join(copy, file), instrument(text, ofFile));
  }
}

/** The notes of `probe.mjs`: lines of a test file and the id of a fault. */
async function readNotes(copy: string, folder: string, without: readonly string[]): Promise<Map<string, string[]>> {
  const reachedBy = new Map<string, Set<string>>();
  for (const name of await readdir(folder)) {
    const lines = (await readFile(join(folder, name), 'utf8')).split('\n').filter((line) => line !== '');
    for (const line of lines) {
      const [file, id] = line.split('\t') as [string, string];
      if (!reachedBy.has(id)) reachedBy.set(id, new Set());
      if (!without.includes(relative(copy, file))) reachedBy.get(id)!.add(relative(copy, file));
    }
  }
  return new Map([...reachedBy].map(([id, files]) => [id, [...files].sort()]));
}

const failuresOf = ({ files, errors, output }: Outcome): string => {
  const lines = files.flatMap(({ file, failed }) => failed.map((name) => `${file}: ${name}`));
  return lines.length + errors.length > 0 ? [...lines, ...errors].join('\n') : output;
};

/** So many files may be red without any fault: on a machine that is busy with something else a test of time may be. */
const maxUnstable = 3;

/**
 * Runs the test files once in a copy whose faults are all probed and none made. What is red once and green when
 * repeated is mentioned, and counts as green. What is red twice looks for no fault, since it would seem to notice each;
 * where that are many, the run fails.
 */
export async function mapReach(
  copy: string,
  mutations: readonly Mutation[],
  files: readonly string[],
  run: RunTests,
): Promise<Reach> {
  await writeProbes(copy, mutations);
  const folder = join(copy, '.reach');
  await mkdir(folder);
  const probe = pathToFileURL(join(copy, 'test/mutants/probe.mjs')).href;
  const env = { REACH_DIR: folder, NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import ${probe}`.trim() };
  const outcome = await run(copy, { files, limitMs: limitFor(files, {}), flags: isolated, env });
  const durations = Object.fromEntries(outcome.files.map(({ file, ms }) => [file, ms]));
  const red = isStray(outcome, files) ? [] : redFiles(outcome, files);
  if (outcome.errors.length > 0)
    console.error(`errors outside of tests, in the instrumented run:\n${outcome.errors.join('\n')}`);
  let unstable: string[] = [];
  if (red.length > 0) {
    console.error(`red in the instrumented run, and run again:\n${failuresOf(outcome)}`);
    const again = await run(copy, { files: red, limitMs: limitFor(red, durations), flags: isolated, env });
    unstable = isStray(again, red) ? [] : redFiles(again, red);
    if (unstable.length > maxUnstable)
      throw new Error(`The tests are not green without any fault:\n${failuresOf(again)}`);
    if (unstable.length > 0) console.error(`red again, and left out: ${unstable.join(', ')}`);
    for (const { file, ms } of again.files) durations[file] = ms;
  }
  const reachedBy = await readNotes(copy, folder, unstable);
  await rm(folder, { recursive: true });
  return { reachedBy, durations };
}
