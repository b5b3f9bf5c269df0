import type { FieldMap, ObjectFieldBuilder } from '@pothos/core';
import { type EventBody, type EventOf, eventKinds } from '../../contracts/turn-event.ts';
import { builder, type Types } from '../../graph/builder.ts';
import { toGlobalId } from '../../kernel/global-id.ts';
import { readConversation } from '../conversations/graph.ts';
import { Turn } from '../turns/graph.ts';
import { readTurnRow } from '../turns/index.ts';
import type { GraphQLEvent } from './frames.ts';

type Body = GraphQLEvent['body'];
type Kind = Body['type'];
type Seen<K extends Kind> = GraphQLEvent<K extends EventBody['type'] ? EventOf<K> : Extract<Body, { type: K }>>;

const EventMeta = builder.interfaceRef<GraphQLEvent>('EventMeta').implement({
  description: 'Fields of every event.',
  fields: (t) => ({
    seq: t.field({
      type: 'BigInt',
      description:
        'Its place in the log of the conversation; strictly increasing, with holes where events were merged.',
      resolve: ({ seq }) => seq,
    }),
    at: t.field({
      type: 'DateTime',
      description: 'When it was stored, by the clock of the database.',
      resolve: ({ at }) => at,
    }),
    turnId: t.id({
      nullable: true,
      description: 'The turn that it belongs to; null where it belongs to none.',
      resolve: ({ turnId }) => turnId && toGlobalId('Turn', turnId),
    }),
  }),
});

/** The kinds that are stored, and the one that is made for a reader. */
const kinds = { ...eventKinds, snapshot: { graphqlType: 'SnapshotEvent' } } as const satisfies Record<
  Kind,
  { graphqlType: string }
>;

/** The name of the GraphQL type of an event. */
export const eventTypeName = ({ body }: GraphQLEvent): string => kinds[body.type].graphqlType;

/** Whether this process can show the event: one of a kind that only a newer version knows is passed over. */
export const isShown = ({ body }: { body: { type: string } }): boolean => Object.hasOwn(kinds, body.type);

/** The GraphQL type of one kind of event. */
export function eventType<K extends Kind>(
  _kind: K,
  name: (typeof kinds)[K]['graphqlType'],
  description: string,
  fields: (t: ObjectFieldBuilder<Types, Seen<K>>) => FieldMap,
) {
  return builder.objectRef<Seen<K>>(name).implement({ description, interfaces: [EventMeta], fields });
}

type EventRef = { [K in Kind]: ReturnType<typeof eventType<K>> }[Kind];
type KindOf<R extends EventRef> = R['$inferType']['body']['type'];

/** The types of all kinds; where one is missing, this does not compile. */
export const everyKind = <R extends EventRef>(
  types: R[] & ([Kind] extends [KindOf<R>] ? unknown : { missing: Exclude<Kind, KindOf<R>> }),
): R[] => types;

export const messageId = <T extends { body: { messageId: string } }>(t: ObjectFieldBuilder<Types, T>) =>
  t.id({ description: 'The message.', resolve: ({ body }) => toGlobalId('Message', body.messageId) });

export const message = <T extends { body: { messageId: string } }>(t: ObjectFieldBuilder<Types, T>) =>
  t.field({
    type: 'Message',
    description: 'The message as it is now.',
    resolve: async ({ body }, _args, { loaders }) => (await loaders.messageRows.load(body.messageId))!,
  });

export const turn = <T extends { body: { turnId: string } }>(t: ObjectFieldBuilder<Types, T>) =>
  t.field({
    type: Turn,
    description: 'The turn as it is now.',
    resolve: ({ body }, _args, { db }) => readTurnRow(db, body.turnId),
  });

export const conversation = <T extends { conversationId: string }>(t: ObjectFieldBuilder<Types, T>) =>
  t.field({
    type: 'Conversation',
    description: 'The conversation as it is now.',
    resolve: ({ conversationId }, _args, context, info) => readConversation(context, conversationId, info),
  });

export const changed = <T extends { body: { changed: string[] } }>(t: ObjectFieldBuilder<Types, T>) =>
  t.stringList({ description: 'Names of the fields that changed.', resolve: ({ body }) => body.changed });
