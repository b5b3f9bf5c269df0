import { GraphQLError, type OperationDefinitionNode, OperationTypeNode } from 'graphql';
import type { SubscribePayload } from 'graphql-ws';

/**
 * UTF-16 units of a subscription: its document and its variables are held for as long as it is open, and a user may
 * have thousands. A document that selects all of every event has a tenth of it.
 */
const maxSubscriptionChars = 65_536;

/**
 * Leaves of what an operation came with no more than it uses: its message is held until it has ended. Refuses a
 * subscription that is large all the same.
 */
export function trimPayload(payload: SubscribePayload, operation: OperationDefinitionNode): void {
  const declared = new Set(operation.variableDefinitions?.map(({ variable }) => variable.name.value));
  const variables = Object.fromEntries(Object.entries(payload.variables ?? {}).filter(([name]) => declared.has(name)));
  Object.assign(payload, { variables });
  delete (payload as { extensions?: unknown }).extensions;
  if (operation.operation !== OperationTypeNode.SUBSCRIPTION) return;
  const held = payload.query.length + JSON.stringify(variables).length;
  if (held <= maxSubscriptionChars) return;
  throw new GraphQLError(
    `A subscription may have ${maxSubscriptionChars} characters with its variables, since it is held while it is ` +
      `open; this one has ${held}.`,
    {
      extensions: { code: 'QUERY_TOO_COMPLEX' },
    },
  );
}
