import { cpus, totalmem } from 'node:os';
import { type Figures, type Scenario, scenarios } from './scenarios.ts';
import { median, shown } from './stats.ts';

/** What was measured of one scenario: the figures of each round, by target. */
export type Measurement = { scenario: Scenario; rounds: { relay: Figures[]; colloquy: Figures[] } };

/** The medians of the rounds. */
export const medians = (rounds: readonly Figures[]): Figures =>
  Object.fromEntries(Object.keys(rounds[0] ?? {}).map((key) => [key, median(rounds.map((figures) => figures[key]!))]));

/**
 * `met` is the goal as it stands, `metHere` the same in proportion to how slow the machine is; null where there is
 * none.
 */
export type Line = {
  label: string;
  relay: number;
  colloquy: number;
  goal: string;
  met: boolean | null;
  metHere: boolean | null;
};

/** Deltas a second of the relay at full speed on the machine that goals in milliseconds were set for. */
const relayThere = 42_800;

/**
 * How many times as long this machine takes, by what the relay did in the same run; 1 where it is as quick, or that was
 * not measured.
 */
function slownessOf(measurements: readonly Measurement[]): number {
  const measured = measurements.find(({ scenario }) => scenario === scenarios.fullSpeed);
  return Math.max(1, relayThere / (medians(measured?.rounds.relay ?? []).perSecond ?? relayThere));
}

/** A line for each figure; what must never happen at all is the worst of the rounds and not their median. */
export function linesOf({ scenario, rounds }: Measurement, slowness = 1): Line[] {
  const relay = medians(rounds.relay);
  const colloquy = medians(rounds.colloquy);
  return Object.entries(scenario.figures).map(([key, label]) => {
    const worst = (of: readonly Figures[]) => Math.max(...of.map((figures) => figures[key]!));
    const values = key === 'lost' ? [worst(rounds.relay), worst(rounds.colloquy)] : [relay[key]!, colloquy[key]!];
    const goal = scenario.goals[key];
    const holds = (times: number) => goal?.met(values[1]!, values[0]!, colloquy, times) ?? null;
    return {
      label,
      relay: values[0]!,
      colloquy: values[1]!,
      goal: goal?.text ?? '',
      met: holds(1),
      metHere: holds(slowness),
    };
  });
}

const reached = ({ met, metHere }: Line): string =>
  met === null ? '' : met ? 'yes' : metHere ? '**no**; in proportion yes' : '**no**';

const table = (measurement: Measurement, slowness: number): string => {
  const rows = linesOf(measurement, slowness).map((line) => {
    const { label, relay, colloquy, goal } = line;
    const ratio = Number.isFinite(relay) && relay !== 0 ? shown(colloquy / relay) : '–';
    return `| ${label} | ${shown(relay)} | ${shown(colloquy)} | ${ratio} | ${goal} | ${reached(line)} |`;
  });
  const { title, about } = measurement.scenario;
  return [
    `## ${title}`,
    '',
    about,
    '',
    '| figure | relay | Colloquy | ratio | goal | reached |',
    '|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
};

/** RESULTS.md: everything that was measured in one go. */
export function report(
  measurements: readonly Measurement[],
  { rounds, quick }: { rounds: number; quick: boolean },
): string {
  const slowness = slownessOf(measurements);
  const lines = measurements.flatMap((each) =>
    linesOf(each, slowness).map((line) => ({ ...line, label: `${each.scenario.title}: ${line.label}` })),
  );
  const missed = lines.filter(({ met }) => met === false);
  const missedHere = missed.filter(({ metHere }) => !metHere);
  const named = (of: readonly Line[]) => (of.length === 0 ? 'none' : of.map(({ label }) => label).join('; '));
  return [
    '# Benchmark results',
    '',
    `Written by \`npm run bench\`${quick ? ' with `--quick`' : ''} on ${new Date().toISOString().slice(0, 10)}: Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GB; server, clients, model, PostgreSQL and Redis on this one machine.`,
    `${rounds === 1 ? 'One round' : `Medians of ${rounds} rounds`}, the two targets in turns; “lost” is the worst round. The relay is \`ws\` and ioredis and nothing else (bench/relay.ts): no GraphQL, no database. Absolute figures move with the machine; what counts is the ratio.`,
    '',
    missed.length === 0 ? 'Every goal was reached.' : `Goals that were not reached: ${named(missed)}.`,
    '',
    ...(slowness > 1
      ? [
          `Goals in milliseconds were set on a machine on which the relay is ${shown(slowness)} times as quick at full speed. With their milliseconds so many times as long, these were not reached: ${named(missedHere)}.`,
          '',
        ]
      : []),
    ...measurements.map((each) => table(each, slowness)),
  ].join('\n');
}
