import type { AnswerLimits } from '../../graph/budget/index.ts';
import { whole } from '../config/variable-kinds.ts';

/** What one operation may ask for, and how large answers may be. */
export const answerVariables = {
  MAX_QUERY_OBJECTS: whole(100, 1_000_000)
    .default(5_000)
    .describe(
      'Objects that one operation may ask for, by the sizes of its pages; a larger one is refused before anything ' +
        'is read.',
    ),
  MAX_ANSWER_BYTES: whole(1_000_000, 1_000_000_000)
    .default(8_000_000)
    .describe(
      'Bytes of texts and other contents that one answer may take, each as often as it stands in it; a larger one ' +
        'is refused.',
    ),
  ANSWER_BYTES_PER_USER: whole(1_000_000, 10_000_000_000)
    .default(20_000_000)
    .describe(
      'The same of all answers to one user that are under way at this process; others of theirs wait. It is 2.5 ' +
        'answers at the least.',
    ),
  ANSWER_BYTES_PER_PROCESS: whole(1_000_000, 100_000_000_000)
    .default(40_000_000)
    .describe(
      'The same of all answers that are under way at this process. It is what two users may have at the least.',
    ),
};

type Given = Record<'MAX_ANSWER_BYTES' | 'ANSWER_BYTES_PER_USER' | 'ANSWER_BYTES_PER_PROCESS', number>;

/** An answer fits into what its user may have, read and written, and what one user has leaves room for another. */
export function answerLimits({
  MAX_ANSWER_BYTES: answer,
  ANSWER_BYTES_PER_USER,
  ANSWER_BYTES_PER_PROCESS,
}: Given): AnswerLimits {
  const user = Math.max(ANSWER_BYTES_PER_USER, answer * 2.5);
  return { answer, user, process: Math.max(ANSWER_BYTES_PER_PROCESS, user * 2) };
}
