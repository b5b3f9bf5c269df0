/**
 * What answers may hold. Every answer has a budget of bytes, every user one over all answers of theirs that are under
 * way at this process, and the process one over all. Loaders charge lengths that are stored before they read what is
 * that long, and fields what they put into the answer: once for each time that it stands there. Given back when the
 * answer has been sent.
 */
export { AnswerBudget } from './answer-budget.ts';
export { type AnswerLimits, AnswerShares } from './answer-shares.ts';
export { Contents, type FoundRow, RowReader } from './contents.ts';
