import { type DocumentNode, type ExecutionArgs, GraphQLError } from 'graphql';
import { type CostLimit, eventsAtOnce, maxDepth, refuseTooComplex } from './cost.ts';
import { tooDeep } from './refusal.ts';
import { refuseTooWide } from './shape.ts';
import { refuseLongDocument, tooMany } from './source.ts';
import { refuseWrongVariables } from './variables.ts';
import { fragmentsOf } from './walk.ts';

/**
 * What one operation may ask for: everything here follows from `maxObjects` or is a constant, is found in time that
 * follows the length of the document, and is refused before validation and before anything is read.
 */
export { eventsAtOnce, fragmentsOf, refuseLongDocument, refuseTooComplex };

/**
 * What can be said only when the values of the variables are known: before anything is read. Gives how many objects are
 * asked for.
 */
export function refuseTooMuch(args: ExecutionArgs, maxObjects: number): number {
  refuseWrongVariables(args);
  return refuseTooComplex(args.document, { schema: args.schema, maxObjects }, args.variableValues ?? {});
}

/**
 * Parses a document of at most as many tokens as it may ask for objects (GraphiQL's largest has some 500), and refuses
 * one that is too long, too wide, too deep to be parsed, or too complex whatever its variables are.
 */
export function parseWithin(parse: (limits: { maxTokens: number }) => DocumentNode, limit: CostLimit): DocumentNode {
  const { maxObjects } = limit;
  try {
    const document = parse({ maxTokens: maxObjects });
    refuseTooWide(document, maxObjects);
    refuseTooComplex(document, limit);
    return document;
  } catch (error) {
    if (error instanceof RangeError) throw tooDeep(maxDepth); // the parser's stack ended
    if (error instanceof GraphQLError && /^Syntax Error: Document contains more tha[nt] \d+ tokens/.test(error.message))
      throw tooMany(maxObjects, 'words and signs');
    throw error;
  }
}
