import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');
const rows = read('docs/SECURITY.md')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| threat'));

/** The tests that a row names: a file, and after it the titles of tests in that file. */
const proofsOf = (row: string): { path: string; title: string }[] =>
  row
    .split('`test/')
    .slice(1)
    .flatMap((part) => [...part.matchAll(/“([^”]+)”/g)].map(([, title]) => ({ path: `test/${part.split('`')[0]}`, title: title! })));

it('docs/SECURITY.md says of every defence which test shows it', () => {
  expect(rows.length).toBeGreaterThan(20);
  expect(rows.filter((row) => proofsOf(row).length === 0)).toEqual([]);
});

it('docs/SECURITY.md names only tests that there are', () => {
  const missing = rows.flatMap(proofsOf).filter(({ path, title }) => !read(path).replaceAll("\\'", "'").includes(title));
  expect(missing).toEqual([]);
});
