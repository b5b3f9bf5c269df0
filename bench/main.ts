/** `npm run bench`: both targets, each scenario in turn, the rounds interleaved. Writes RESULTS.md when all of it was run. */
import { parseArgs } from 'node:util';
import { startClients } from './clients.ts';
import type { Target } from './driver.ts';
import { type Figures, type Scenario, scenarios, warmUp } from './scenarios.ts';
import { type Stage, setStage } from './stage.ts';
import { median, shown } from './stats.ts';

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    quick: { type: 'boolean', default: false },
    target: { type: 'string' },
    profile: { type: 'string' },
  },
});
const names = values.only ? (values.only.split(',') as (keyof typeof scenarios)[]) : (Object.keys(scenarios) as (keyof typeof scenarios)[]);

const profiling = values.profile ? ['--cpu-prof', '--cpu-prof-dir', values.profile] : [];
const preload = [...profiling, '--expose-gc', '--import', new URL('collect.mjs', import.meta.url).href];

async function measure(stage: Stage, scenario: Scenario, name: Target['name']): Promise<Figures> {
  const server = name === 'colloquy' ? await stage.startColloquy(preload) : await stage.startRelay(preload);
  const clients = await startClients();
  try {
    const bench = { stage, clients, quick: values.quick };
    const target = { name, url: server.ready.url, token: await stage.token('bench') };
    await warmUp(bench, target);
    return await scenario.run(bench, target, server);
  } finally {
    clients.stop();
    await server.stop();
  }
}

const stage = await setStage();
try {
  for (const name of names) {
    const scenario: Scenario = scenarios[name];
    const targets = (['relay', 'colloquy'] as const).filter((target) =>
      values.target ? target === values.target : !scenario.alone || target === 'colloquy',
    );
    const rounds: Record<string, Figures[]> = {};
    console.log(`\n${scenario.title}`);
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const target of targets) {
        const figures = await measure(stage, scenario, target);
        rounds[target] = [...(rounds[target] ?? []), figures];
        console.log(
          `  ${target.padEnd(9)} ${Object.entries(figures)
            .map(([key, value]) => `${scenario.figures[key]} ${shown(value)}`)
            .join('   ')}`,
        );
      }
    }
    for (const key of Object.keys(scenario.figures)) {
      const of = (target: string) => median((rounds[target] ?? []).map((figures) => figures[key]!));
      console.log(
        `  ${scenario.figures[key]}: ${targets.map((target) => `${target} ${shown(of(target))}`).join(', ')}, ratio ${shown(of('colloquy') / of('relay'))}`,
      );
    }
  }
} finally {
  await stage.close();
}
