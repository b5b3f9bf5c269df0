import type { ExecutionResult } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Context } from '../../graph/context.ts';
import type { MaskError } from '../../graph/mask-errors.ts';

/**
 * What an operation failed with is masked under the id of its request, which also is a header of the response. Whatever
 * fails outside of operations is left to Yoga's own mask, and has an id of its own.
 */
export const useErrorMask = (mask: MaskError): Plugin<Context> => {
  const maskWith =
    ({ requestId }: Context) =>
    (payload: Payload) => {
      const { errors } = payload.result as ExecutionResult;
      if (errors) payload.setResult({ ...payload.result, errors: errors.map((error) => mask(error, requestId)) });
    };
  return {
    onExecute: ({ args: { contextValue } }) => ({ onExecuteDone: maskWith(contextValue) }),
    onSubscribe: ({ args: { contextValue } }) => ({
      onSubscribeResult(payload) {
        maskWith(contextValue)(payload);
        return { onNext: maskWith(contextValue) };
      },
      onSubscribeError({ error, setError }) {
        setError(mask(error, contextValue.requestId));
      },
    }),
  };
};

/** Of a result, or of a stream of them, which has no errors itself. */
type Payload = { result: object; setResult(result: ExecutionResult): void };
