import type { ExecutionResult, GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Context } from '../graph/context.ts';
import type { MaskError } from '../graph/mask-errors.ts';

/**
 * What an operation failed with is masked under the id of its request, which also is a header of the response. Whatever fails outside of
 * operations is left to Yoga's own mask, and has an id of its own.
 */
export const useErrorMask = (mask: MaskError): Plugin<Context> => ({
  onExecute: ({ args: { contextValue } }) => ({
    onExecuteDone({ result, setResult }) {
      const masked = maskedBy(mask, result as ExecutionResult, contextValue);
      if (masked) setResult(masked);
    },
  }),
  onSubscribe: ({ args: { contextValue } }) => ({
    onSubscribeResult({ result, setResult }) {
      const masked = maskedBy(mask, result as ExecutionResult, contextValue);
      if (masked) setResult(masked);
      return {
        onNext({ result, setResult }) {
          const masked = maskedBy(mask, result as ExecutionResult, contextValue);
          if (masked) setResult(masked);
        },
      };
    },
    onSubscribeError({ error, setError }) {
      setError(mask(error, contextValue.requestId));
    },
  }),
});

function maskedBy(mask: MaskError, result: ExecutionResult, { requestId }: Context): ExecutionResult | null {
  if (!result.errors) return null;
  return { ...result, errors: result.errors.map((error): GraphQLError => mask(error, requestId)) };
}
