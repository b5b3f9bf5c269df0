import SchemaBuilder from '@pothos/core';
import PrismaPlugin from '@pothos/plugin-prisma';
import type PrismaTypes from '../generated/pothos.ts';
import { getDatamodel } from '../generated/pothos.ts';
import type { Conversation, Message, ToolCall, Turn, Usage, User } from '../generated/prisma/client.ts';
import type { Context } from './context.ts';
import type { PageShape } from './page-shape.ts';

type Text = { Input: string; Output: { toString(): string } };

export type SchemaTypes = {
  Context: Context;
  PrismaTypes: PrismaTypes;
  DefaultFieldNullability: false;
  /** Types that rooms name without importing one another. */
  Objects: { PageInfo: PageShape<unknown>; User: User; Conversation: Conversation; Message: Message; Turn: Turn; Usage: Usage };
  Interfaces: { ToolCall: ToolCall };
  Scalars: {
    ID: { Input: string; Output: string };
    DateTime: { Input: Date; Output: Date };
    JSON: { Input: unknown; Output: unknown };
    Decimal: Text;
    BigInt: Text;
    EventCursor: { Input: string; Output: string };
  };
};

/** The builder's types as Pothos completes them. */
export type Types = PothosSchemaTypes.ExtendDefaultTypes<SchemaTypes>;

/** The one builder: every room adds its types to it. It is data; importing it starts nothing. */
export const builder = new SchemaBuilder<SchemaTypes>({
  plugins: [PrismaPlugin],
  defaultFieldNullability: false,
  prisma: {
    client: (context) => context.db,
    dmmf: getDatamodel(),
    exposeDescriptions: false,
    onUnusedQuery: null,
  },
});

builder.queryType({ description: 'Everything that can be read. Each field answers for the viewer alone: what belongs to others does not exist.' });
builder.mutationType({ description: 'Everything that can be changed. Expected refusals are members of the result unions, not errors.' });
builder.subscriptionType({ description: 'Live streams over graphql-ws or SSE. Every stream is resumable from the last cursor it gave.' });
