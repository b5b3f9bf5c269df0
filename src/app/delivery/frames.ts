import {
  createSourceEventStream,
  type DocumentNode,
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  Kind,
  type SelectionSetNode,
  visit,
} from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { isTextOnly } from '../../features/turn-events/index.ts';
import type { Context } from '../../graph/context.ts';
import { iteratorOver } from '../../kernel/async.ts';
import { schema } from '../schema.ts';
import { createCompiler } from './compiled.ts';

/** A result whose JSON text is made once, however many readers it goes to. Yoga takes `stringify` over its own. */
export type SharedResult = ExecutionResult & { stringify(): string; sockets: Map<string, Buffer> };

export const isShared = (result: ExecutionResult): result is SharedResult => 'sockets' in result;

/** What a payload of a subscription is answered with. */
export type Answer = (args: ExecutionArgs, payload: unknown) => ExecutionResult | PromiseLike<ExecutionResult>;

/** Streams over server-sent events are answered as those of sockets are (socket-stream.ts). */
export const useFrames = (answer: Answer): Plugin => ({
  onSubscribe({ setSubscribeFn }) {
    setSubscribeFn(async (args: ExecutionArgs) => {
      const source = await createSourceEventStream(args);
      return Symbol.asyncIterator in source ? mapped(source[Symbol.asyncIterator](), (payload) => answer(args, payload)) : source;
    });
  },
});

/**
 * Executes the frames of subscriptions. Most frames hold nothing but text: every field of such a frame is a function of the frame and the
 * document alone. It is executed once for all readers of this process that sent the same document, without any viewer, so that nothing of
 * one can reach another: whether they may read the conversation was asked when they began. Everything else is executed for each reader.
 */
export function createAnswers(): Answer {
  const compiledFor = createCompiler(schema);
  const independent = new WeakMap<DocumentNode, boolean>();
  const results = new WeakMap<object, Map<string, SharedResult>>();
  const documents = new WeakMap<DocumentNode, number>();
  let count = 0;

  function isIndependent(document: DocumentNode): boolean {
    const known = independent.get(document) ?? !usesVariables(document);
    independent.set(document, known);
    return known;
  }

  /** The key of what is shared: the document, the operation in it, and (by the map it is looked up in) the frame. */
  function keyOf(document: DocumentNode, operationName: string | null | undefined): string {
    const number = documents.get(document) ?? ++count;
    documents.set(document, number);
    return `${number} ${operationName ?? ''}`;
  }

  function shared(args: ExecutionArgs, frame: object): SharedResult | null {
    const known = results.get(frame) ?? new Map<string, SharedResult>();
    results.set(frame, known);
    const key = keyOf(args.document, args.operationName);
    const found = known.get(key);
    if (found) return found;
    const made = execution(args, frame);
    if (made) known.set(key, made);
    return made;
  }

  function execution({ document, operationName, variableValues }: ExecutionArgs, frame: object): SharedResult | null {
    const compiled = compiledFor(document, operationName ?? undefined);
    const result = compiled
      ? compiled(frame, variableValues ?? {})
      : execute({ schema, document, operationName, variableValues, rootValue: frame, contextValue: {} });
    if (result instanceof Promise || result.errors) return null;
    let text: string | null = null;
    return { ...result, stringify: () => (text ??= JSON.stringify({ data: result.data })), sockets: new Map() };
  }

  return (args, payload) => {
    const result = isTextOnly(payload) && isIndependent(args.document) ? shared(args, payload) : null;
    if (result) return result;
    (args.contextValue as Context).renewLoaders(); // so that no payload shows old values
    return execute({ ...args, rootValue: payload });
  };
}

/** Whether what is selected depends on a variable: arguments of the subscription itself do not count, they have done their work. */
function usesVariables(document: DocumentNode): boolean {
  const find = (selections: SelectionSetNode | undefined): boolean => {
    let found = false;
    if (selections)
      visit(selections, {
        Variable: () => {
          found = true;
        },
      });
    return found;
  };
  return document.definitions.some((definition) => {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) return find(definition.selectionSet);
    if (definition.kind !== Kind.OPERATION_DEFINITION) return false;
    return definition.selectionSet.selections.some(
      (selection) => (selection.directives?.length ?? 0) > 0 || selection.kind !== Kind.FIELD || find(selection.selectionSet),
    );
  });
}

/** The results of a source, one for each payload. */
const mapped = (source: AsyncIterator<unknown>, answer: (payload: unknown) => ExecutionResult | PromiseLike<ExecutionResult>) =>
  iteratorOver<ExecutionResult>(source, async () => {
    const { done, value } = await source.next();
    return done ? { done, value: undefined } : { done: false, value: await answer(value) };
  });
