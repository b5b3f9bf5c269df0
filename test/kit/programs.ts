import { spawnSync } from 'node:child_process';

/**
 * Whether these programs can be run here. Where one cannot, what is tested with it is skipped, which is said; in CI it
 * fails.
 */
export function hasPrograms(what: string, ...names: string[]): boolean {
  const missing = names.filter((name) => spawnSync(name, ['--version']).status !== 0);
  if (missing.length === 0) return true;
  if (process.env.CI) throw new Error(`No ${missing.join(', ')} in PATH for ${what}; in CI nothing may be skipped.`);
  console.warn(`SKIPPED: ${what}, because there is no ${missing.join(', ')} in PATH.`);
  return false;
}
