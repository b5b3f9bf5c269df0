import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { chronicle } from './report.ts';
import { type Report, run, warmUp } from './run.ts';
import { type FaultName, faultNames, scheduleOf } from './schedule.ts';
import { openStage } from './stage.ts';

/**
 * Long chaos: `npm run chaos -- --runs 500`. What it came to is written to docs/CHAOS.md, unless it is a replay of a
 * few.
 */
const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '500' },
    /**
     * So many stages at once, each with its own processes and servers: as many as the machine carries without being
     * late.
     */
    jobs: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '600' },
    seed: { type: 'string' },
    fault: { type: 'string' },
    each: { type: 'boolean', default: false },
  },
});
/** Fewer runs are somebody's search for a fault, and no result. */
const worthKeeping = 20;

const first = Number(values.seed ?? Math.floor(Math.random() * 1e9));
const chosen: readonly FaultName[] = faultNames.filter((name) => name.startsWith(values.fault ?? ''));
const end = Date.now() + Number(values.minutes) * 60_000;
const count = values.each ? chosen.length : Number(values.runs);
const reports: Report[] = [];
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    interrupted = true; // the run that is under way is the last
  });
}
let next = 0;

async function play(): Promise<void> {
  const stage = await openStage();
  console.log(`without faults: ${JSON.stringify(await warmUp(stage))}`);
  while (next < count && Date.now() < end && !interrupted) {
    const at = next++;
    const report = await run(stage, scheduleOf(first + at, values.each ? [chosen[at]!] : chosen));
    reports.push(report);
    console.log(JSON.stringify(report));
    if (report.violations.length > 0)
      for (const { name, process } of stage.slots)
        console.error(`${name} said last:\n${process?.output().slice(-2_000) ?? 'nothing: it is not there'}`);
    if (reports.length < worthKeeping) continue;
    const text = chronicle(reports, { at: new Date(), first, leaseMs: stage.leaseMs, fault: values.fault ?? null });
    await writeFile(new URL('../../../docs/CHAOS.md', import.meta.url), text);
  }
  await stage.close();
}

await Promise.all(Array.from({ length: Number(values.jobs) }, play));
const violated = reports.filter(({ violations }) => violations.length > 0);
for (const { seed, violations } of violated) console.error(`seed ${seed}:`, violations);
console.log(`${reports.length} runs, ${violated.length} with violations`);
process.exit(violated.length > 0 ? 1 : 0);
