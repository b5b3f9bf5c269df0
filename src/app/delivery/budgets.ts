import { type ExecutionArgs, type ExecutionResult, GraphQLError, getOperationAST } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Context } from '../../graph/context.ts';
import { type AnswerTooLargeError, httpStatusOf } from '../../kernel/errors.ts';

/**
 * Before an answer is written, it has its share of what its user and the process may hold; one that is larger than an
 * answer may be is refused as a whole, once, and not field by field.
 */
export const useAnswerBudget: Plugin<Context> = {
  async onExecute({ args, setResultAndStopExecution }) {
    // A mutation may wait for a turn, and would hold its share all the while.
    const isQuery = getOperationAST(args.document, args.operationName)?.operation === 'query';
    const { budget } = args.contextValue;
    if (isQuery) await budget.begin().catch(() => {});
    if (budget.refusal) setResultAndStopExecution(refused(args, budget.refusal));
    return {
      async onExecuteDone({ result, setResult }) {
        if (!(Symbol.asyncIterator in result)) setResult(await withinBudget(args, result));
      },
    };
  },
};

/** The result, or the refusal in its place. */
export async function withinBudget(args: ExecutionArgs, result: ExecutionResult): Promise<ExecutionResult> {
  const { budget } = args.contextValue as Context;
  try {
    if (!budget.refusal) await budget.complete();
  } catch {
    // It is the refusal below.
  }
  return budget.refusal ? refused(args, budget.refusal) : result;
}

function refused(
  { document, operationName }: ExecutionArgs,
  { message, code, retryable }: AnswerTooLargeError,
): ExecutionResult {
  const isDone = getOperationAST(document, operationName)?.operation === 'mutation';
  const words = isDone
    ? `${message} What the mutation was to do has been done where that was possible: read what came of it.`
    : message;
  return {
    errors: [new GraphQLError(words, { extensions: { code, retryable, http: { status: httpStatusOf(code) } } })],
  };
}
