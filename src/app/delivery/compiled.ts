import type { DocumentNode, ExecutionResult, GraphQLSchema } from 'graphql';
import { compileQuery, isCompiledQuery } from 'graphql-jit';
import { LRUCache } from 'lru-cache';

/** A payload of a subscription, executed: the result, and the JSON text of it. */
export type Compiled = (payload: unknown, variables: Record<string, unknown>) => ExecutionResult;

/** How often a document is executed as it is before it is worth its compilation, which takes some milliseconds. */
const hotAfter = 20;
const maxRemembered = 200;

type Entry = { uses: number; compiled: Compiled | null };

/** Compiles the documents that a process executes again and again: one walk through a frame then costs a tenth. */
export function createCompiler(schema: GraphQLSchema) {
  const entries = new LRUCache<DocumentNode, Map<string, Entry>>({ max: maxRemembered });

  /** Null for what the compiler does not take: it is executed as it is. */
  function compile(document: DocumentNode, operationName: string): Compiled | null {
    try {
      const query = compileQuery(schema, document, operationName);
      // What is executed is bare of any viewer: see frames.ts.
      return isCompiledQuery(query) ? (payload, variables) => query.query(payload, {}, variables) as ExecutionResult : null;
    } catch {
      return null;
    }
  }

  /** The compiled document, or null where it is not used enough or cannot be compiled. */
  return (document: DocumentNode, operationName = ''): Compiled | null => {
    const operations = entries.get(document) ?? new Map<string, Entry>();
    entries.set(document, operations);
    const entry = operations.get(operationName) ?? { uses: 0, compiled: null };
    operations.set(operationName, entry);
    entry.uses += 1;
    if (entry.uses === hotAfter) entry.compiled = compile(document, operationName);
    return entry.compiled;
  };
}
