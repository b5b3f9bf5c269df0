import { type DocumentNode, type ExecutionResult, type GraphQLSchema, Kind, type SelectionSetNode } from 'graphql';
import { compileQuery, isCompiledQuery } from 'graphql-jit';
import { fragmentsOf } from '../../graph/limits/index.ts';

/** A payload of a subscription, executed: the result, and the JSON text of it. */
export type Compiled = (payload: unknown, variables: Record<string, unknown>) => ExecutionResult;

/** How often a document is executed as it is before it is worth its compilation, which takes some milliseconds. */
const hotAfter = 20;

/**
 * Selections of an operation that is compiled, where each fragment stands in the place of each spread of it, as the
 * compiler has it: so many take it some tens of milliseconds. Thirty fragments that each spread the next one twice
 * would take it for ever.
 */
const maxSelections = 400;

/** Compiles an operation that a process executes again and again: one walk through a frame then costs a tenth. */
export function createCompiler(schema: GraphQLSchema, document: DocumentNode, operationName = '') {
  let uses = 0;
  let compiled: Compiled | null = null;

  /** Null for what the compiler does not take: it is executed as it is. */
  function compile(): Compiled | null {
    if (selectionsIn(document) > maxSelections) return null;
    try {
      const query = compileQuery(schema, document, operationName);
      // What is executed is bare of any viewer: see frames.ts.
      return isCompiledQuery(query)
        ? (payload, variables) => query.query(payload, {}, variables) as ExecutionResult
        : null;
    } catch {
      return null;
    }
  }

  /** The compiled operation, or null where it is not used enough or cannot be compiled. */
  return (): Compiled | null => {
    uses += 1;
    if (uses === hotAfter) compiled = compile();
    return compiled;
  };
}

/**
 * How many selections all operations of a document have with their fragments in place. Each fragment is counted once,
 * however often it is spread.
 */
function selectionsIn(document: DocumentNode): number {
  const fragments = fragmentsOf(document);
  const counted = new Map<string, number>();

  function ofFragment(name: string): number {
    const known = counted.get(name);
    if (known !== undefined) return known;
    counted.set(name, 0); // one that spreads itself has been refused
    const count = ofSet(fragments.get(name)?.selectionSet);
    counted.set(name, count);
    return count;
  }
  function ofSet(set: SelectionSetNode | undefined): number {
    let count = 0;
    for (const selection of set?.selections ?? [])
      count +=
        1 +
        (selection.kind === Kind.FRAGMENT_SPREAD ? ofFragment(selection.name.value) : ofSet(selection.selectionSet));
    return Math.min(count, Number.MAX_SAFE_INTEGER);
  }
  return document.definitions.reduce(
    (sum, each) => sum + (each.kind === Kind.OPERATION_DEFINITION ? ofSet(each.selectionSet) : 0),
    0,
  );
}
