import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compile, distPath } from '../../scripts/build.mjs';
import type { Mutation } from './mutations.ts';

/**
 * The files in `dist` that are not what their source says: then processes of the product would run something else than
 * is tested.
 */
export function staleFiles(checkout: string, mutations: readonly Mutation[]): string[] {
  const read = (file: string): string => readFileSync(join(checkout, file), 'utf8');
  const files = [...new Set(mutations.map(({ file }) => file))];
  return files.filter((file) => compile(read(file), file).code !== read(distPath(file)));
}
