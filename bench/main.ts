/**
 * `npm run bench`: both targets, each scenario in turn, the rounds interleaved. Writes RESULTS.md when all of it was
 * run.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { startClients } from './clients.ts';
import type { Target } from './driver.ts';
import { linesOf, type Measurement, report } from './report.ts';
import { type Figures, type Scenario, scenarios, warmUp } from './scenarios.ts';
import { type Stage, setStage } from './stage.ts';
import { shown } from './stats.ts';

const { values } = parseArgs({
  options: {
    /** Names of scenarios, separated by commas. */
    only: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    /** Shorter pieces of work: to see that it runs. */
    quick: { type: 'boolean', default: false },
    target: { type: 'string' },
    /** A directory for processor profiles of the servers; bench/profile.ts reads them. */
    profile: { type: 'string' },
  },
});
const rounds = Number(values.rounds);
const all = Object.keys(scenarios) as (keyof typeof scenarios)[];
const chosen = values.only ? all.filter((name) => values.only!.split(',').includes(name)) : all;
const profiling = values.profile ? ['--cpu-prof', '--cpu-prof-dir', values.profile] : [];
const preload = [...profiling, '--expose-gc', '--import', new URL('collect.mjs', import.meta.url).href];

/** One round of one target, with a server and clients of its own. */
async function measure(stage: Stage, scenario: Scenario, name: Target['name']): Promise<Figures> {
  const server = name === 'colloquy' ? await stage.startColloquy(preload) : await stage.startRelay(preload);
  const clients = await startClients();
  try {
    const bench = { stage, clients, quick: values.quick };
    const target = { name, url: server.ready.url, token: await stage.token('bench') };
    if (!scenario.fresh) await warmUp(bench, target);
    return await scenario.run(bench, target, server);
  } finally {
    clients.stop();
    await server.stop();
  }
}

async function measureAll(stage: Stage, scenario: Scenario): Promise<Measurement> {
  const measurement: Measurement = { scenario, rounds: { relay: [], colloquy: [] } };
  const targets = scenario.alone ? (['colloquy'] as const) : (['relay', 'colloquy'] as const);
  for (let round = 0; round < rounds; round++)
    for (const target of targets)
      if (!values.target || target === values.target)
        measurement.rounds[target].push(await measure(stage, scenario, target));
  return measurement;
}

const stage = await setStage();
try {
  const measurements: Measurement[] = [];
  for (const name of chosen) {
    console.log(`\n${scenarios[name].title}`);
    const measurement = await measureAll(stage, scenarios[name]);
    measurements.push(measurement);
    for (const { label, relay, colloquy, goal, met } of linesOf(measurement))
      console.log(
        `  ${label}: relay ${shown(relay)}, Colloquy ${shown(colloquy)}${goal && ` (${goal}: ${met ? 'reached' : 'NOT reached'})`}`,
      );
  }
  const isWhole = chosen.length === all.length && !values.target;
  if (isWhole)
    await writeFile(new URL('RESULTS.md', import.meta.url), report(measurements, { rounds, quick: values.quick }));
} finally {
  await stage.close();
}
