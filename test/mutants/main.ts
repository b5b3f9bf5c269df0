/**
 * `npm run mutants`: makes small faults in the sources, one after the other, and says which of them the tests do not
 * notice.
 */
import { mkdtempSync, readFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { compile } from '../../scripts/build.mjs';
import { staleFiles } from './compile.ts';
import { draw, readSources } from './draw.ts';
import { candidatesOf, type Mutation } from './mutations.ts';
import { isSurvivor, newReport, type Report, readReport, summarise, writeReport } from './report.ts';
import { createScratch } from './scratch.ts';
import { groupStage, killStage, type MutantRun, reachStage } from './stages.ts';
import { findTestFiles } from './test-files.ts';
import { createRunner, repeatStray } from './vitest.ts';

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '200' },
    seed: { type: 'string', default: '21' },
    /** Copies that are tested at the same time; they share the processors. */
    jobs: { type: 'string', default: '2' },
    /** Faults that are made together for slow tests, and for those that start processes. */
    group: { type: 'string', default: '6' },
    /** Only the quickest tests, within some minutes: what they leave is alive, and goes on with --resume. */
    quick: { type: 'boolean', default: false },
    /**
     * Faults are made together from the beginning: where few will be noticed, such as those that have survived, that
     * takes fewer runs.
     */
    together: { type: 'boolean', default: false },
    /** The full run of every test, as `npm run test:full`. */
    full: { type: 'boolean', default: false },
    /** A report: only what survived in it is tried, which may have been with fewer tests. */
    'only-survivors': { type: 'string' },
    /** A report that was interrupted: it goes on where it was, with its own settings. */
    resume: { type: 'string' },
    /** Begins nothing after so many minutes. */
    minutes: { type: 'string', default: 'Infinity' },
    report: { type: 'string' },
  },
});

const checkout = resolve(import.meta.dirname, '../..');

/** A fault of an older report can be made only in the very text it was found in. */
function requireCurrent(mutations: readonly Mutation[]): void {
  const files = new Set(mutations.map(({ file }) => file));
  const ids = new Set(
    [...files].flatMap((file) => candidatesOf(file, readFileSync(join(checkout, file), 'utf8')).map(({ id }) => id)),
  );
  const changed = new Set(mutations.filter(({ id }) => !ids.has(id)).map(({ file }) => file));
  if (changed.size > 0) throw new Error(`Changed since the report: ${[...changed].join(', ')}.`);
}

function openReport(): Report {
  if (values.resume) return readReport(values.resume);
  const settings = { seed: Number(values.seed), full: values.full };
  if (!values['only-survivors'])
    return newReport(draw(readSources(checkout), { count: Number(values.count), seed: settings.seed }), settings);
  const earlier = readReport(values['only-survivors']);
  return newReport(earlier.mutants.filter(isSurvivor), { ...settings, seed: earlier.seed });
}

async function requireBuilt(mutations: readonly Mutation[]): Promise<void> {
  const stale = staleFiles(checkout, mutations);
  if (stale.length > 0) throw new Error(`Not built as they are: ${stale.join(', ')}. Run npm run build first.`);
}

async function runStages(parts: Omit<MutantRun, 'copies' | 'scratch'>): Promise<void> {
  const scratch = await createScratch(checkout);
  try {
    const names = Array.from({ length: Number(values.jobs) }, (_, index) => `job-${index + 1}`);
    const copies = await Promise.all(names.map((name) => scratch.copy(name)));
    const whole = { ...parts, scratch, copies };
    await reachStage(whole);
    if (!values.together) await killStage(whole, values.quick ? 1 : 2);
    if (!values.quick) await groupStage(whole, Number(values.group));
  } finally {
    await scratch.remove();
  }
}

const report = openReport();
const path = resolve(
  values.report ?? values.resume ?? join(mkdtempSync(join(tmpdir(), 'mutants-report-')), 'report.json'),
);
requireCurrent(report.mutants);
await requireBuilt(report.mutants);
const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());
const end = Date.now() + Number(values.minutes) * 60_000;
const processors = availableParallelism();
const runner = (workers: number) =>
  createRunner({ full: report.full, workers: Math.max(1, workers), signal: stopping.signal });
const save = () => writeReport(path, report);
save();
console.error(`report: ${path}`);
try {
  await runStages({
    report,
    tests: findTestFiles(checkout),
    runAlone: runner(processors),
    run: repeatStray(runner(Math.floor(processors / Number(values.jobs)))),
    compile: (text, file) => compile(text, file).code,
    isOver: () => Date.now() > end,
    save,
  });
} catch (error) {
  if (!stopping.signal.aborted) throw error;
  process.exitCode = 130;
  console.error(`interrupted; --resume ${path} goes on`);
} finally {
  save();
}
console.log(summarise(report));
