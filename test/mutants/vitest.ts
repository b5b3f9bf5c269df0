import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { tempFolder } from './scratch.ts';

export type FileResult = { file: string; ok: boolean; ms: number; failed: string[] };

/** What came of one run of Vitest. A run that was cut off says what it had found by then. */
export type Outcome = {
  state: 'green' | 'red' | 'timed out';
  files: FileResult[];
  /** Errors that belong to no test. */
  errors: string[];
  /** The end of what was printed. */
  output: string;
};

export type RunOptions = {
  files: readonly string[];
  limitMs: number;
  flags?: readonly string[];
  env?: Record<string, string>;
};

/** Runs test files in a copy. */
export type RunTests = (copy: string, options: RunOptions) => Promise<Outcome>;

type Line = FileResult | { error: string };

function readResults(path: string): Pick<Outcome, 'files' | 'errors'> {
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const lines = text.split('\n').filter((line) => line.endsWith('}'));
  const parsed = lines.map((line) => JSON.parse(line) as Line);
  return {
    files: parsed.filter((line): line is FileResult => 'file' in line),
    errors: parsed.flatMap((line) => ('error' in line ? [line.error] : [])),
  };
}

/** The whole group: processes of the product that a test has started go with it. */
function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

/** Removes what the run has left, but for the prepared databases that the next one copies. */
function clear(folder: string): void {
  const names = readdirSync(folder).filter((name) => !name.startsWith('colloquy-prepared-'));
  for (const name of names)
    rmSync(join(folder, name), { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}

const isWhole = (expected: readonly string[], files: readonly FileResult[]): boolean =>
  expected.every((file) => files.some((result) => result.file === file));

/**
 * Runs of Vitest with `workers` at once each, as in CI, where nothing may be skipped. When the signal is aborted, what
 * runs is killed and the run rejects.
 */
export function createRunner({
  full,
  workers,
  signal,
}: {
  full: boolean;
  workers: number;
  signal: AbortSignal;
}): RunTests {
  const { TEST_FULL: _, ...inherited } = process.env;
  const settings = {
    CI: 'true',
    TEST_RETRIES: '0',
    HOSTILE_COUNT: '200',
    VITEST_MAX_WORKERS: String(workers),
    ...(full ? { TEST_FULL: '1' } : {}),
  };
  return async (copy, { files, limitMs, flags = [], env = {} }) => {
    signal.throwIfAborted();
    const folder = join(copy, tempFolder);
    const results = join(folder, 'results.jsonl');
    const reporter = join(copy, 'test/mutants/reporter.mjs');
    const child = spawn(join(copy, 'node_modules/.bin/vitest'), ['run', `--reporter=${reporter}`, ...flags, ...files], {
      cwd: copy,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...inherited, ...settings, TMPDIR: folder, MUTANTS_RESULTS: results, ...env },
    });
    const { code, output, isTimedOut } = await endOf(child, limitMs, signal);
    const { files: ended, errors } = readResults(results);
    clear(folder);
    signal.throwIfAborted();
    const isGreen = code === 0 && isWhole(files, ended);
    return { state: isTimedOut ? 'timed out' : isGreen ? 'green' : 'red', files: ended, errors, output };
  };
}

/** Waits until it ends, or ends it at the limit. */
async function endOf(child: ChildProcess, limitMs: number, signal: AbortSignal) {
  let output = '';
  const keepLast = (bytes: Buffer) => {
    output = (output + bytes.toString()).slice(-4_000);
  };
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', keepLast);
  let isTimedOut = false;
  const timer = setTimeout(() => {
    isTimedOut = true;
    killGroup(child);
  }, limitMs);
  const onAbort = () => killGroup(child);
  signal.addEventListener('abort', onAbort, { once: true });
  const [code] = (await once(child, 'exit')) as [number | null];
  clearTimeout(timer);
  signal.removeEventListener('abort', onAbort);
  killGroup(child); // what outlived it
  return { code, output, isTimedOut };
}

/**
 * Whether every file was green and the run was red: by errors that belong to no test, such as a query after the end of
 * a pool.
 */
export const isStray = ({ state, files }: Outcome, expected: readonly string[]): boolean =>
  state === 'red' && isWhole(expected, files) && files.every(({ ok }) => ok);

/** Believes errors that belong to no test only when they come again. */
export const repeatStray =
  (run: RunTests): RunTests =>
  async (copy, options) => {
    const outcome = await run(copy, options);
    return isStray(outcome, options.files) ? run(copy, options) : outcome;
  };

/** How long a run is given: ten times what its files usually take, and half a minute to start. */
export const limitFor = (files: readonly string[], durations: Readonly<Record<string, number>>): number =>
  30_000 + 10 * files.reduce((sum, file) => sum + (durations[file] ?? 60_000), 0);

/**
 * The files that were not green in a run, whether they said so or were cut off; all of them where nobody knows which.
 */
export function redFiles({ state, files }: Outcome, expected: readonly string[]): string[] {
  if (state === 'green') return [];
  const green = new Set(files.filter(({ ok }) => ok).map(({ file }) => file));
  const red = expected.filter((file) => !green.has(file));
  return red.length > 0 ? red : [...expected];
}
