import type { Mutation } from './mutations.ts';

type Insertion = { at: number; isEnd: boolean; length: number; text: string };

/**
 * The same program, which calls `globalThis.__reach` with the id of a fault each time its place is evaluated. Nothing
 * moves to another line. Every probe is a comma expression: `(globalThis.__reach?.('id'), (a < b))`.
 */
export function instrument(text: string, mutations: readonly Mutation[]): string {
  const insertions = mutations.flatMap(({ id, probe: { start, end } }): Insertion[] => [
    { at: start, isEnd: false, length: end - start, text: `(globalThis.__reach?.('${id}'), (` },
    { at: end, isEnd: true, length: end - start, text: '))' },
  ]);
  let result = '';
  let copied = 0;
  for (const { at, text: inserted } of insertions.sort(nested)) {
    result += text.slice(copied, at) + inserted;
    copied = at;
  }
  return result + text.slice(copied);
}

/**
 * At one place: first what ends there, the innermost before the others; then what starts there, the outermost first.
 */
function nested(a: Insertion, b: Insertion): number {
  if (a.at !== b.at) return a.at - b.at;
  if (a.isEnd !== b.isEnd) return a.isEnd ? -1 : 1;
  return a.isEnd ? a.length - b.length : b.length - a.length;
}
