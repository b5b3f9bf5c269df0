import type { ObjectFieldBuilder } from '@pothos/core';
import { builder, type Types } from '../../graph/builder.ts';
import { toGlobalId } from '../../kernel/global-id.ts';
import { readConversation } from '../conversations/graph.ts';
import { Turn } from '../turns/graph.ts';
import { readTurn } from '../turns/index.ts';
import type { GraphQLEvent } from './frames.ts';

type Body = GraphQLEvent['body'];
type Kind = Body['type'];
type Seen<K extends Kind> = GraphQLEvent<Extract<Body, { type: K }>>;

const EventMeta = builder.interfaceRef<GraphQLEvent>('EventMeta').implement({
  description: 'Fields of every event.',
  fields: (t) => ({
    seq: t.field({
      type: 'BigInt',
      description: 'Its place in the log of the conversation; strictly increasing, with holes where events were merged.',
      resolve: ({ seq }) => seq,
    }),
    at: t.field({ type: 'DateTime', description: 'When it was stored, by the clock of the database.', resolve: ({ at }) => at }),
    turnId: t.id({
      nullable: true,
      description: 'The turn that it belongs to; null where it belongs to none.',
      resolve: ({ turnId }) => turnId && toGlobalId('Turn', turnId),
    }),
  }),
});

/** The GraphQL type of each kind. */
export const names = new Map<Kind, string>();

/** The GraphQL type of one kind of event. */
export function eventType<K extends Kind>(
  kind: K,
  name: string,
  description: string,
  fields: (t: ObjectFieldBuilder<Types, Seen<K>>) => Record<string, unknown>,
) {
  names.set(kind, name);
  return builder.objectRef<Seen<K>>(name).implement({ description, interfaces: [EventMeta], fields: fields as never });
}

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
    resolve: ({ body }, _args, { db }) => readTurn(db, body.turnId),
  });

export const conversation = <T extends { conversationId: string }>(t: ObjectFieldBuilder<Types, T>) =>
  t.field({
    type: 'Conversation',
    description: 'The conversation as it is now.',
    resolve: ({ conversationId }, _args, context, info) => readConversation(context, conversationId, info),
  });

export const changed = <T extends { body: { changed: string[] } }>(t: ObjectFieldBuilder<Types, T>) =>
  t.stringList({ description: 'Names of the fields that changed.', resolve: ({ body }) => body.changed });
