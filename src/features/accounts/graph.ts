import type { User as UserRow } from '../../generated/prisma/client.ts';
import { builder } from '../../graph/builder.ts';
import { findNodes, globalId, Node } from '../../graph/node.ts';
import { resultUnion } from '../../graph/results.ts';
import { RateLimitedError, ValidationError } from '../../kernel/errors.ts';
import { Role, ViewerAction } from './enums.ts';
import type { GuestService } from './index.ts';
import { may } from './roles.ts';

declare module '../../graph/rows.ts' {
  interface NamedTypes {
    User: UserRow;
  }
}

declare module '../../graph/services.ts' {
  interface Services {
    guests: GuestService;
  }
}

const User = builder.prismaObject('User', {
  description: 'Somebody who talks to assistants: a signed-in person, or a guest.',
  interfaces: [Node],
  fields: (t) => ({
    id: t.id(globalId('User')),
    displayName: t.exposeString('displayName', { description: 'The name to show.' }),
    email: t.exposeString('email', { nullable: true, description: 'The e-mail address that the token named.' }),
    roles: t.field({ type: [Role], description: 'The roles of the user.', resolve: ({ roles }) => roles }),
    isAnonymous: t.boolean({
      description: 'Whether this is a guest without an account.',
      resolve: ({ anonymousId }) => anonymousId !== null,
    }),
    totalTokensUsed: t.field({
      type: 'BigInt',
      description: 'Tokens of all calls ever made for this user.',
      resolve: (user) => user.totalTokensUsed,
    }),
    lastUsedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When a model last answered this user.',
      resolve: (user) => user.lastUsedAt,
    }),
    createdAt: t.field({
      type: 'DateTime',
      description: 'When the user was first seen.',
      resolve: ({ createdAt }) => createdAt,
    }),
  }),
});

/** A viewer sees one user: themselves. */
findNodes('User', (ids, { db, viewer }) =>
  db.user.findMany({ where: { id: { in: ids.filter((id) => id === viewer.userId) } } }),
);

const Viewer = builder
  .objectRef<{ userId: string; expiresAt: Date; roles: Parameters<typeof may>[0] }>('Viewer')
  .implement({
    description: 'The user of this request, with their roles and permissions.',
    fields: (t) => ({
      user: t.field({
        type: User,
        description: 'The user that the token stands for.',
        resolve: ({ userId }, _args, { db }) => db.user.findUniqueOrThrow({ where: { id: userId } }),
      }),
      can: t.boolean({
        description: 'Whether the viewer may do something.',
        args: { action: t.arg({ type: ViewerAction, required: true, description: 'The action.' }) },
        resolve: ({ roles }, { action }) => may(roles, action),
      }),
      tokenExpiresAt: t.field({
        type: 'DateTime',
        nullable: true,
        description: 'When the token expires; streams end then.',
        resolve: ({ expiresAt }) => expiresAt,
      }),
    }),
  });

builder.queryField('viewer', (t) =>
  t.field({
    type: Viewer,
    description: 'The user of this request.',
    resolve: (_root, _args, { viewer }) => ({ ...viewer, roles: viewer.roles }),
  }),
);

type GuestSession = { token: string; expiresAt: Date; anonymousId: string; userId: string };

const GuestSessionSuccess = builder.objectRef<GuestSession>('GuestSessionSuccess').implement({
  description: 'The session was made or renewed.',
  fields: (t) => ({
    token: t.exposeString('token', { description: 'Send it as "Authorization: Bearer …". It is shown only here.' }),
    expiresAt: t.field({
      type: 'DateTime',
      description: 'When the token expires.',
      resolve: ({ expiresAt }) => expiresAt,
    }),
    anonymousId: t.exposeString('anonymousId', {
      description: 'Identifies this guest, also after the token was renewed.',
    }),
    user: t.field({
      type: User,
      description: 'The guest.',
      resolve: ({ userId }, _args, { db }) => db.user.findUniqueOrThrow({ where: { id: userId } }),
    }),
  }),
});

const GuestSessionResult = resultUnion('GuestSessionResult', {
  description: 'A guest session, or why there is none.',
  success: GuestSessionSuccess,
  errors: [RateLimitedError, ValidationError],
});

builder.mutationFields((t) => ({
  createGuestSession: t.field({
    type: GuestSessionResult.type,
    description: 'A token for a visitor without an account, whose conversations are theirs alone.',
    args: { displayName: t.arg.string({ description: 'The name to show; "Guest" when nothing is said.' }) },
    resolve: (_root, { displayName }, context) =>
      GuestSessionResult.run(context, ({ services, address }) => services.guests.start(displayName, address)),
  }),
  renewGuestSession: t.field({
    type: GuestSessionResult.type,
    description:
      'A fresh token for the guest whose token this is, before that ends. The earlier one stays good until its own ' +
      'end.',
    resolve: (_root, _args, context) =>
      GuestSessionResult.run(context, ({ services, viewer }) => services.guests.renew(viewer)),
  }),
}));
