import { cpus, loadavg } from 'node:os';
import { quantile } from './measures.ts';
import type { Report } from './run.ts';
import { faultNames } from './schedule.ts';

const whole = (value: number | null): string => (value === null ? '–' : `${Math.round(value)}`);
const spread = (values: readonly number[]): string =>
  [0.5, 0.95, 1].map((share) => whole(quantile(values, share))).join(' / ');
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Counts of many runs, added up: all of them, and of each kind. */
function told(counts: readonly Record<string, number>[]): string {
  const total: Record<string, number> = {};
  for (const each of counts)
    for (const [status, count] of Object.entries(each)) total[status] = (total[status] ?? 0) + count;
  const kinds = Object.entries(total).map(([status, count]) => `${count} ${status}`);
  return `${sum(Object.values(total))}${kinds.length > 0 ? ` (${kinds.join(', ')})` : ''}`;
}

export type Circumstances = { at: Date; first: number; leaseMs: number; fault: string | null };

/** What docs/CHAOS.md says of the last long run. */
export function chronicle(reports: readonly Report[], { at, first, leaseMs, fault }: Circumstances): string {
  const violations = reports.flatMap(({ seed, violations: found }) =>
    found.map((violation) => ({ seed, ...violation })),
  );
  const injected = faultNames.map((name) => ({
    name,
    count: reports.filter(({ faults }) => faults.includes(name)).length,
  }));
  const calm = reports.filter(({ faults }) =>
    faults.every((name) => name.startsWith('model-') || name.startsWith('redis-')),
  );
  const rows: [string, string | number][] = [
    ['date', at.toISOString().slice(0, 10)],
    ['runs', `${reports.length}, seeds ${first} to ${first + reports.length - 1}${fault ? `, faults ${fault}*` : ''}`],
    [
      'machine',
      `${cpus().length} processors, load ${loadavg()[1]!.toFixed(1)} (others worked on it too where that is more than ${cpus().length})`,
    ],
    [
      'time',
      `${Math.round(sum(reports.map(({ ms }) => ms)) / 60_000)} minutes, ${(sum(reports.map(({ ms }) => ms)) / reports.length / 1_000).toFixed(1)} s a run`,
    ],
    ['turns', told(reports.map(({ outcomes }) => outcomes))],
    ['calls of tools', told(reports.map(({ toolCalls }) => toolCalls))],
    [
      'decisions of devices: those that count / that came too late',
      [0, 1].map((place) => sum(reports.map(({ decisions }) => decisions[place as 0 | 1]))).join(' / '),
    ],
    ['processes killed', sum(reports.map(({ kills }) => kills))],
    ['streams cut', sum(reports.map(({ interruptions }) => interruptions))],
    [
      'smallest work (`/healthz` and one commit), median of the runs / worst',
      `${whole(
        quantile(
          reports.map(({ pulseMs }) => pulseMs[0]),
          0.5,
        ),
      )} / ${whole(Math.max(...reports.map(({ pulseMs }) => pulseMs[1])))} ms`,
    ],
    [
      `a turn goes on after \`kill -9\` of its worker (lease ${leaseMs} ms), p50 / p95 / max`,
      `${spread(reports.flatMap(({ recoveryMs }) => recoveryMs))} ms of ${reports.flatMap(({ recoveryMs }) => recoveryMs).length}`,
    ],
    [
      'a stop is answered, with faults of Redis or the model alone, p50 / p95 / max',
      `${spread(calm.flatMap(({ stopMs }) => stopMs))} ms of ${calm.flatMap(({ stopMs }) => stopMs).length}`,
    ],
    ['**violations**', `**${violations.length}**`],
  ];
  return [
    '# Chaos',
    '',
    'For whoever asks what came of random kills, freezes and cuts: the last long run of the harness in `test/crash/chaos`. It is written by `npm run chaos`, not by hand.',
    '',
    'Two API processes and two workers run on a PostgreSQL and a Redis of their own, each process behind fault proxies of its own, with the scripted model. Clients send (some messages several times in parallel, with one key), stop, read over WebSocket, SSE and polling, and are cut at random. A third of the turns call tools (some that may be repeated, some that never may, some side by side), and where a person is asked, one or two devices decide at once. One to three faults strike in the first seconds. When all is quiet, every invariant is checked from outside: the rows of the database, the journal of the model, the journal of what tools did, and what each client was told.',
    '',
    '|  |  |',
    '|---|---|',
    ...rows.map(([name, value]) => `| ${name} | ${value} |`),
    '',
    'A seed decides everything that is done: `npm run chaos -- --runs 1 --seed N` does it again. `--fault kill-` draws from the faults whose names begin so, `--each` runs every fault once, `--minutes N` ends after that time. What the operating system schedules is not in the seed: a fault that must hit a moment may need a few tries.',
    '',
    '## Faults',
    '',
    '| fault | runs with it |',
    '|---|---|',
    ...injected.map(({ name, count }) => `| ${name} | ${count} |`),
    '',
    '## Violations',
    '',
    ...(violations.length === 0
      ? ['None.']
      : violations.map(
          ({ seed, invariant, what }) => `- seed ${seed}, ${invariant}: ${what.replaceAll('\n', ' ').slice(0, 300)}`,
        )),
    '',
  ].join('\n');
}
