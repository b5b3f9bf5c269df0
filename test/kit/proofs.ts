import { readFileSync } from 'node:fs';

/** A test that a page names as the proof of what it says. */
export type Proof = { path: string; title: string };

export const readPage = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

/** The rows of a Markdown table that has a column of this name, as long as they follow it. */
export const rowsUnder = (page: string, column: string): string[] =>
  page.split(/\n\s*\n/).flatMap((block) => {
    const [head = '', line = '', ...rows] = block.split('\n');
    return /^\|[-|]+\|$/.test(line) && head.includes(`| ${column} |`) ? rows.filter((row) => row.startsWith('| ')) : [];
  });

/**
 * The tests that a piece of a page names: a file in backticks, and after it the titles of tests in that file, each in
 * “quotes”.
 */
export const proofsOf = (text: string): Proof[] =>
  text
    .split('`test/')
    .slice(1)
    .flatMap((part) =>
      [...part.matchAll(/“([^”]+)”/g)].map(([, title]) => ({ path: `test/${part.split('`')[0]}`, title: title! })),
    );

const quoted = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Whether the file has a test, or a suite, that has this in its title, however that is quoted there. */
export function isTested({ path, title }: Proof): boolean {
  const source = readPage(path).replaceAll("\\'", "'");
  return new RegExp(`\\(\\s*['"\`][^\\n]*${quoted(title)}`).test(source);
}
