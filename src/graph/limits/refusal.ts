import { GraphQLError } from 'graphql';

/** A document that asks for more than one operation may. */
export const refusal = (message: string): GraphQLError =>
  new GraphQLError(message, { extensions: { code: 'QUERY_TOO_COMPLEX', http: { status: 400 } } });

export const tooDeep = (maxDepth: number): GraphQLError =>
  refusal(`The query is more than ${maxDepth} levels deep. Ask for less at once.`);
