import { pause } from '../../kernel/async.ts';

/** One line of the doctor's: what was looked at, how it is, and what to do about it. */
export type Finding = { state: 'ok' | 'note' | 'problem'; what: string; says: string; fix?: string };

export const ok = (what: string, says: string): Finding => ({ state: 'ok', what, says });
export const note = (what: string, says: string): Finding => ({ state: 'note', what, says });
export const problem = (what: string, says: string, fix?: string): Finding => ({
  state: 'problem',
  what,
  says,
  ...(fix ? { fix } : {}),
});

/** What does not answer in this time is not well, whatever it would say later. */
const patienceMs = 4_000;

/** A check that ends: with what it finds, or with the word that it took too long. */
export async function within(
  what: string,
  fix: string,
  check: () => Promise<Finding[]>,
  patience = patienceMs,
): Promise<Finding[]> {
  const over = new AbortController();
  const late = pause(patience, over.signal).then(() => [
    problem(what, `did not answer in ${patience / 1_000} seconds`, fix),
  ]);
  const found = check().catch((error: unknown) => [problem(what, reasonOf(error), fix)]);
  const first = await Promise.race([found, late]);
  over.abort();
  return first;
}

/** The driver's words, or its code where it has none: Node reports a refused connection under an empty message. */
export const reasonOf = (error: unknown): string => {
  const { message, code } = error as NodeJS.ErrnoException;
  return message || String(code ?? error);
};

/** The line as a person reads it. */
export const lineOf = ({ state, what, says, fix }: Finding): string =>
  `${state.padEnd(7)}  ${what}: ${says}${fix ? `\n         → ${fix}` : ''}`;
