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
import { LRUCache } from 'lru-cache';
import { type GraphQLFrame, isTextOnly, textBytesOf } from '../../features/streams/graph.ts';
import type { Context } from '../../graph/context.ts';
import { iteratorOver } from '../../kernel/async.ts';
import { schema } from '../schema.ts';
import { withinBudget } from './budgets.ts';
import { type Compiled, createCompiler } from './compiled.ts';

/** Documents whose frames are shared and compiled, at the most: what a client can make the process keep. */
const maxRemembered = 200;

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
      return Symbol.asyncIterator in source ? answered(args, source[Symbol.asyncIterator](), answer) : source;
    });
  },
});

/**
 * Executes the frames of subscriptions. Most frames hold nothing but text: every field of such a frame is a function of
 * the frame and the document alone. It is executed once for all readers of this process that sent the same document,
 * without any viewer, so that nothing of one can reach another: whether they may read the conversation was asked when
 * they began. Everything else is executed for each reader.
 */
export function createAnswers(): Answer {
  /** By operation name. */
  const documents = new LRUCache<DocumentNode, Map<string, Shareable>>({ max: maxRemembered });

  function shareableOf(document: DocumentNode, operationName: string): Shareable {
    const operations = documents.get(document) ?? new Map<string, Shareable>();
    if (operations.size === 0) documents.set(document, operations);
    const known = operations.get(operationName);
    if (known) return known;
    const made = {
      isIndependent: !usesVariables(document),
      copies: Math.max(1, textsIn(document)),
      compiled: createCompiler(schema, document, operationName),
    };
    operations.set(operationName, made);
    return made;
  }

  return (args, payload) => {
    const shareable = shareableOf(args.document, args.operationName ?? '');
    const bytes = hasEvents(payload) ? textBytesOf(payload) * shareable.copies : 0;
    if (isTextOnly(payload) && shareable.isIndependent) {
      if (bytes > freeBytes)
        return large(args, bytes, () => shared(shareable, args, payload) ?? execute({ ...args, rootValue: payload }));
      const result = shared(shareable, args, payload);
      if (result) return result;
    }
    (args.contextValue as Context).nextAnswer(); // so that no payload shows old values
    return large(args, bytes, () => execute({ ...args, rootValue: payload }));
  };
}

const hasEvents = (payload: unknown): payload is GraphQLFrame =>
  typeof payload === 'object' && payload !== null && 'events' in payload;

/**
 * What a frame of text may have without being counted: there is one of it at a time for each stream, and most readers
 * share theirs.
 */
const freeBytes = 64_000;

/**
 * Makes a result of its own, or one that is large, within the budget of its reader. Where it is refused, so is what
 * would follow it: no reader misses an event.
 */
async function large(
  args: ExecutionArgs,
  bytes: number,
  make: () => ExecutionResult | PromiseLike<ExecutionResult>,
): Promise<ExecutionResult> {
  const { budget } = args.contextValue as Context;
  if (budget.charge(bytes) && bytes > freeBytes) await budget.complete();
  if (budget.refusal) throw budget.refusal;
  const result = await withinBudget(args, await make());
  if (budget.refusal) throw budget.refusal;
  return result;
}

/**
 * An operation of a document; with the frame, it is the key of what is shared. `copies` is how often a text may stand
 * in its answer.
 */
type Shareable = { isIndependent: boolean; copies: number; compiled: () => Compiled | null };

/**
 * A frame with what was made of it, by operation: kept with the frame, since a WeakMap costs every collection of
 * garbage.
 */
type Known = GraphQLFrame & { results?: Map<Shareable, SharedResult> };

function shared(shareable: Shareable, args: ExecutionArgs, frame: Known): SharedResult | null {
  const found = frame.results?.get(shareable);
  if (found) return found;
  const made = execution(shareable, args, frame);
  if (!made) return null;
  frame.results ??= new Map();
  frame.results.set(shareable, made);
  return made;
}

function execution(
  shareable: Shareable,
  { document, operationName, variableValues }: ExecutionArgs,
  frame: object,
): SharedResult | null {
  const compiled = shareable.compiled();
  const result = compiled
    ? compiled(frame, variableValues ?? {})
    : execute({ schema, document, operationName, variableValues, rootValue: frame, contextValue: {} });
  if (result instanceof Promise || result.errors) return null;
  const { data } = result;
  let text: string | null = null;
  return { data, stringify: () => (text ??= JSON.stringify({ data })), sockets: new Map() };
}

/**
 * Whether what is selected depends on a variable: arguments of the subscription itself do not count, they have done
 * their work.
 */
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
      (selection) =>
        (selection.directives?.length ?? 0) > 0 || selection.kind !== Kind.FIELD || find(selection.selectionSet),
    );
  });
}

function textsIn(document: DocumentNode): number {
  let texts = 0;
  visit(document, {
    Field: ({ name }) => {
      if (name.value === 'text') texts += 1;
    },
  });
  return texts;
}

/** The results of a source, one for each payload. The next is asked for when the last has been sent. */
function answered(
  args: ExecutionArgs,
  source: AsyncIterator<unknown>,
  answer: Answer,
): AsyncIterableIterator<ExecutionResult> {
  const context = args.contextValue as Context;
  const next = async (): Promise<IteratorResult<ExecutionResult>> => {
    context.nextAnswer();
    const { done, value } = await source.next();
    if (!done) return { done: false, value: await answer(args, value) };
    context.endAnswer();
    return { done, value: undefined };
  };
  return iteratorOver<ExecutionResult>(source, next, () => context.endAnswer());
}
