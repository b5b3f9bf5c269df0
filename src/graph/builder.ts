import SchemaBuilder from '@pothos/core';
import PrismaPlugin from '@pothos/plugin-prisma';
import type PrismaTypes from '../generated/pothos.ts';
import { getDatamodel } from '../generated/pothos.ts';
import type { Context } from './context.ts';
import type { PageShape } from './lists/page-shape.ts';
import type { NamedInterfaces, NamedTypes, Rows } from './rows.ts';

type Text = { Input: string; Output: { toString(): string } };

/** Prisma's types with the rows as they are read: without what may be large. */
type RowTypes = {
  [K in keyof PrismaTypes]: K extends keyof Rows ? Omit<PrismaTypes[K], 'Shape'> & { Shape: Rows[K] } : PrismaTypes[K];
};

export type SchemaTypes = {
  Context: Context;
  PrismaTypes: RowTypes;
  DefaultFieldNullability: false;
  Objects: NamedTypes & { PageInfo: PageShape<unknown> };
  Interfaces: NamedInterfaces;
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
    client: (context) => context.db as never, // as Pothos knows it, which reads nothing by itself here
    dmmf: getDatamodel(),
    exposeDescriptions: false,
    onUnusedQuery: null,
  },
});

builder.queryType({
  description:
    'Everything that can be read. Each field answers for the viewer: objects of other users do not exist for them.',
});
builder.mutationType({
  description: 'Everything that can be changed. Expected refusals are members of the result unions, not errors.',
});
builder.subscriptionType({
  description: 'Live streams over graphql-ws or SSE. Every stream is resumable from the last cursor it gave.',
});
