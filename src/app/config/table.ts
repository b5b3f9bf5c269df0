import type { Config } from '../config.ts';
import { masked, maskedUrl } from './variable-kinds.ts';

/** The effective configuration for the start-up table, one "NAME value" line each, secrets masked. */
export function describeConfig(config: Config): string[] {
  const lines: [string, unknown][] = Object.entries(config).flatMap(([group, value]) =>
    typeof value === 'string' ? [[group, value] as [string, unknown]] : leaves(group, value),
  );
  const width = Math.max(...lines.map(([name]) => name.length));
  return lines.map(([name, value]) => `${name.padEnd(width)}  ${describeValue(name, value)}`);
}

const leaves = (prefix: string, value: object): [string, unknown][] =>
  Object.entries(value).flatMap(([key, inner]: [string, unknown]) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? leaves(`${prefix}.${key}`, inner)
      : [[`${prefix}.${key}`, inner] as [string, unknown]],
  );

function describeValue(name: string, value: unknown): string {
  if (value === null || (Array.isArray(value) && value.length === 0)) return '-';
  if (name.endsWith('.secret') || name.endsWith('.apiKey')) return masked(String(value));
  if (name.endsWith('Url')) return maskedUrl(String(value));
  return Array.isArray(value) ? value.join(', ') : String(value);
}
