import '../graph/scalars.ts';
import '../graph/node.ts';
import '../features/accounts/graph.ts';
import '../features/models/graph.ts';
import '../features/conversations/graph.ts';
import '../features/messages/graph.ts';
import '../features/tools/graph.ts';
import '../features/usage/graph.ts';
import '../features/context/graph.ts';
import '../features/turns/graph.ts';
import '../features/worker/graph.ts';
import '../features/approvals/graph.ts';
import '../features/streams/graph.ts';
import '../features/titles/graph.ts';
import { isAbstractType, lexicographicSortSchema, printSchema } from 'graphql';
import { builder } from '../graph/builder.ts';

/** Every room's fields, in the order in which rooms know one another. */
export const schema = builder.toSchema({ sortSchema: false });

/** The schema as it is committed: sorted, so that its diffs are changes. */
export const printed = (): string => `${printSchema(lexicographicSortSchema(schema))}\n`;

/** For caches of clients, as `docs/clients/possible-types.json` is committed: what each interface and union can be. */
export function printedPossibleTypes(): string {
  const sorted = lexicographicSortSchema(schema);
  const abstract = Object.values(sorted.getTypeMap()).filter(isAbstractType);
  const names = abstract.map((type) => [type.name, sorted.getPossibleTypes(type).map(({ name }) => name)]);
  return `${JSON.stringify(Object.fromEntries(names), null, 2)}\n`;
}
