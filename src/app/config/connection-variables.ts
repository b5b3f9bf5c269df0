import { whole } from './variable-kinds.ts';

/** How many connections there may be, and how much may be open on one. */
export const connectionVariables = {
  SUBSCRIPTIONS_PER_SOCKET: whole(1, 10_000)
    .default(100)
    .describe('How many operations one WebSocket may hold open at once.'),

  SOCKETS_PER_USER: whole(0, 1_000_000)
    .default(50)
    .describe(
      'WebSockets, and beside them streams over server-sent events, that one user may hold open at this process; 0 ' +
        'is any number.',
    ),
  SOCKETS_PER_ADDRESS: whole(0, 1_000_000)
    .default(1_000)
    .describe(
      'WebSockets that one address may hold open at this process, half of them guests; 0 is any number. See ' +
        'TRUSTED_PROXIES.',
    ),
  ANONYMOUS_SOCKETS_PER_ADDRESS: whole(0, 1_000_000)
    .default(20)
    .describe(
      'WebSockets without a token that one address may hold open at this process; a further one displaces the ' +
        'oldest. 0 is any number.',
    ),
  SOCKET_MESSAGES_PER_SECOND: whole(0, 1_000_000)
    .default(500)
    .describe('Messages of one WebSocket that are read in a second; those beyond it wait. 0 is any number.'),
  MAX_CONNECTIONS: whole(1, 1_000_000)
    .default(20_000)
    .describe('Connections of any kind that this process holds at the most.'),
  ANONYMOUS_CONNECTIONS_PERCENT: whole(1, 50)
    .default(25)
    .describe(
      'Connections of a hundred that callers without a token may hold, and as many guests; above it the largest ' +
        'address loses its oldest.',
    ),
};
