import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { scenarios } from '../bench/scenarios.ts';
import { isTested, proofsOf, readPage, rowsUnder } from './kit/proofs.ts';

const pages = [
  { page: 'docs/SECURITY.md', column: 'shown by', atLeast: 20 },
  { page: 'docs/GUARANTEES.md', column: 'shown by', atLeast: 30 },
];

it.each(pages)('$page says of every row which test shows it', ({ page, column, atLeast }) => {
  const rows = rowsUnder(readPage(page), column);
  expect(rows.length).toBeGreaterThanOrEqual(atLeast);
  expect(rows.filter((row) => proofsOf(row).length === 0)).toEqual([]);
});

it.each(pages)('$page names only tests that there are', ({ page }) => {
  expect(proofsOf(readPage(page)).filter((proof) => !isTested(proof))).toEqual([]);
});

it('would see a test that there is not, and one that is only spoken of', () => {
  expect(isTested({ path: 'test/proofs.test.ts', title: 'names only tests that there are' })).toBe(true);
  expect(isTested({ path: 'test/proofs.test.ts', title: 'names only tests that there were' })).toBe(false);
  expect(isTested({ path: 'test/kit/proofs.ts', title: 'A test that a page names' })).toBe(false);
});

it('no file asks which run it is in: titles are those of both runs, and only cases and sizes differ', () => {
  const files = readdirSync(resolve('test'), { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.test.ts'),
  );
  expect(files.length).toBeGreaterThan(140);
  const named = /\bisFull\b|\bTEST_FULL\b/;
  expect(
    files.filter((file) => file !== 'proofs.test.ts' && named.test(readFileSync(resolve('test', file), 'utf8'))),
  ).toEqual([]);
});

it('docs/SCALING.md refers only to scenarios that are measured', () => {
  const named = [...readPage('docs/SCALING.md').matchAll(/bench\/RESULTS\.md: “([^”]+)”/g)].map(([, title]) => title!);
  expect(named.length).toBeGreaterThan(4);
  const titles = Object.values(scenarios).map(({ title }) => title);
  expect(named.filter((title) => !titles.includes(title))).toEqual([]);
});
