import { type ExecutionArgs, getOperationAST, getVariableValues } from 'graphql';

/**
 * Refuses values of variables of which more than one thing is wrong, with the first of them. Each error repeats the
 * value that it is about, so that fifty of one large value held the event loop for four seconds, and were an answer of
 * fifty times its size.
 */
export function refuseWrongVariables({ schema, document, operationName, variableValues }: ExecutionArgs): void {
  const definitions = getOperationAST(document, operationName)?.variableDefinitions ?? [];
  if (definitions.length === 0) return;
  const { errors = [] } = getVariableValues(schema, definitions, variableValues ?? {}, { maxErrors: 1 });
  if (errors.length > 1) throw errors[0];
}
