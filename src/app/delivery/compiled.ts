import type { DocumentNode, ExecutionResult, GraphQLSchema } from 'graphql';
import { compileQuery, isCompiledQuery } from 'graphql-jit';

/** A payload of a subscription, executed: the result, and the JSON text of it. */
export type Compiled = (payload: unknown, variables: Record<string, unknown>) => ExecutionResult;

/** How often a document is executed as it is before it is worth its compilation, which takes some milliseconds. */
const hotAfter = 20;

/** Compiles an operation that a process executes again and again: one walk through a frame then costs a tenth. */
export function createCompiler(schema: GraphQLSchema, document: DocumentNode, operationName = '') {
  let uses = 0;
  let compiled: Compiled | null = null;

  /** Null for what the compiler does not take: it is executed as it is. */
  function compile(): Compiled | null {
    try {
      const query = compileQuery(schema, document, operationName);
      // What is executed is bare of any viewer: see frames.ts.
      return isCompiledQuery(query) ? (payload, variables) => query.query(payload, {}, variables) as ExecutionResult : null;
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
