import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { environment } from '../src/app/config.ts';
import { createMetrics } from '../src/platform/telemetry/metrics.ts';
import { parseExposition } from './kit/prometheus.ts';

const page = readFileSync(new URL('../docs/OPERATIONS.md', import.meta.url), 'utf8');
/** The rows of tables whose first cell is a name, with their other cells. */
const rows = page.split('\n').flatMap((line) => {
  const [, name] = /^\| `([A-Za-z_]+)` \|/.exec(line) ?? [];
  const cells = line.split('|').slice(2, -1);
  return name ? [{ name, cells: cells.map((cell) => cell.trim()) }] : [];
});

/** A default that differs by role is written as the variable is. */
const inWords = (value: unknown): string =>
  typeof value === 'object' && value !== null
    ? Object.entries(value)
        .map((entry) => entry.join(':'))
        .join(',')
    : String(value);

it('docs/OPERATIONS.md has every variable once, with its default and its words', () => {
  const variables = rows.filter(({ name, cells }) => name in environment.shape && cells.length === 2);
  const told = variables.filter(({ cells }) => cells[0] === '–' || /^`.*`$/.test(cells[0]!));
  const expected = Object.entries(environment.shape).map(([name, field]) => {
    const value: unknown = field.safeParse(undefined).data;
    const isDefault = value !== undefined && !Array.isArray(value);
    return { name, cells: [isDefault ? `\`${inWords(value)}\`` : '–', field.description!] };
  });
  const byName = (a: { name: string }, b: { name: string }) => a.name.localeCompare(b.name);
  expect(told.sort(byName)).toEqual(expected.sort(byName));
});

it('docs/OPERATIONS.md has every metric once, with its labels', async () => {
  const { types } = parseExposition(await createMetrics({ redis: true }).text());
  const metrics = rows.filter(({ name }) => name.startsWith('colloquy_'));
  expect(metrics.map(({ name }) => name).sort()).toEqual([...types.keys()].sort());
  const registered = createMetrics({ redis: true }) as unknown as Record<
    string,
    { name?: string; labelNames?: string[] }
  >;
  const labels = new Map(
    Object.values(registered).flatMap(({ name, labelNames }) =>
      name && labelNames ? [[name, labelNames] as const] : [],
    ),
  );
  for (const { name, cells } of metrics)
    expect(
      [...cells[0]!.matchAll(/`(\w+)`/g)].map(([, label]) => label),
      name,
    ).toEqual(labels.get(name)!.filter((label) => label !== 'le'));
});

it('docs/OPERATIONS.md speaks of no metric that there is not', async () => {
  const { types } = parseExposition(await createMetrics({ redis: true }).text());
  const named = [...page.matchAll(/colloquy_[a-z_]+/g)].map(([name]) => name.replace(/_count$/, ''));
  expect(named.filter((name) => !types.has(name) && name !== 'colloquy_')).toEqual([]);
});
