import { readFileSync } from 'node:fs';

/** The files of a page's program: the blocks that follow `<!-- test: name -->`, those of one name one after another. */
export function filesOf(page: string): Map<string, string> {
  const text = readFileSync(new URL(`../../${page}`, import.meta.url), 'utf8');
  const files = new Map<string, string>();
  for (const [, name, code] of text.matchAll(/<!-- test: ([\w.-]+) -->\n```\w+\n([\s\S]*?)```/g))
    files.set(name!, [files.get(name!), code!].filter(Boolean).join('\n'));
  return files;
}
