import { cpus, totalmem } from 'node:os';
import type { Figures, Scenario } from './scenarios.ts';
import { median, shown } from './stats.ts';

/** What was measured of one scenario: the figures of each round, by target. */
export type Measurement = { scenario: Scenario; rounds: { relay: Figures[]; colloquy: Figures[] } };

/** The medians of the rounds. */
export const medians = (rounds: readonly Figures[]): Figures =>
  Object.fromEntries(Object.keys(rounds[0] ?? {}).map((key) => [key, median(rounds.map((figures) => figures[key]!))]));

export type Line = { label: string; relay: number; colloquy: number; goal: string; met: boolean | null };

/** A line for each figure; what must never happen at all is the worst of the rounds and not their median. */
export function linesOf({ scenario, rounds }: Measurement): Line[] {
  const relay = medians(rounds.relay);
  const colloquy = medians(rounds.colloquy);
  return Object.entries(scenario.figures).map(([key, label]) => {
    const worst = (of: readonly Figures[]) => Math.max(...of.map((figures) => figures[key]!));
    const values = key === 'lost' ? [worst(rounds.relay), worst(rounds.colloquy)] : [relay[key]!, colloquy[key]!];
    const goal = scenario.goals[key];
    return { label, relay: values[0]!, colloquy: values[1]!, goal: goal?.text ?? '', met: goal?.met(values[1]!, values[0]!, colloquy) ?? null };
  });
}

const table = (measurement: Measurement): string => {
  const rows = linesOf(measurement).map(({ label, relay, colloquy, goal, met }) => {
    const ratio = Number.isFinite(relay) && relay !== 0 ? shown(colloquy / relay) : '–';
    return `| ${label} | ${shown(relay)} | ${shown(colloquy)} | ${ratio} | ${goal} | ${met === null ? '' : met ? 'yes' : '**no**'} |`;
  });
  const { title, about } = measurement.scenario;
  return [`## ${title}`, '', about, '', '| figure | relay | Colloquy | ratio | goal | reached |', '|---|---|---|---|---|---|', ...rows, ''].join(
    '\n',
  );
};

/** RESULTS.md: everything that was measured in one go. */
export function report(measurements: readonly Measurement[], { rounds, quick }: { rounds: number; quick: boolean }): string {
  const missed = measurements.flatMap((each) =>
    linesOf(each)
      .filter(({ met }) => met === false)
      .map(({ label }) => `${each.scenario.title}: ${label}`),
  );
  return [
    '# Benchmark results',
    '',
    `Written by \`npm run bench\`${quick ? ' with `--quick`' : ''} on ${new Date().toISOString().slice(0, 10)}: Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GB; server, clients, model, PostgreSQL and Redis on this one machine.`,
    `${rounds === 1 ? 'One round' : `Medians of ${rounds} rounds`}, the two targets in turns; “lost” is the worst round. The relay is \`ws\` and ioredis and nothing else (bench/relay.ts): no GraphQL, no database. Absolute figures move with the machine; what counts is the ratio.`,
    '',
    missed.length === 0 ? 'Every goal was reached.' : `Goals that were not reached: ${missed.join('; ')}.`,
    '',
    ...measurements.map(table),
  ].join('\n');
}
