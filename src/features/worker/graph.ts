/** The schema of what workers do for a turn: its attempts, and what its model was shown. */
import { builder } from '../../graph/builder.ts';
import { ContextReport } from '../context/graph.ts';
import { AttemptOutcome, RecoveryMode } from './enums.ts';
import './loaders.ts';

const TurnAttempt = builder.prismaObject('TurnAttempt', {
  description: 'One attempt of a worker to get an answer of the model for a turn: at most one call of the provider.',
  fields: (t) => ({
    number: t.exposeInt('number', {
      description: 'The number of the attempt, from 1. Deltas name the attempt that wrote them.',
    }),
    worker: t.exposeString('worker', { description: 'The process that ran it.' }),
    outcome: t.field({ type: AttemptOutcome, description: 'How it ended.', resolve: ({ outcome }) => outcome }),
    recovery: t.field({
      type: RecoveryMode,
      description: 'What the attempt continued from.',
      resolve: ({ recovery }) => recovery,
    }),
    startedAt: t.field({ type: 'DateTime', description: 'When it began.', resolve: ({ startedAt }) => startedAt }),
    endedAt: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When it ended, or was found to be lost.',
      resolve: ({ endedAt }) => endedAt,
    }),
    providerResponseId: t.exposeString('providerResponseId', {
      nullable: true,
      description: "The provider's id of the answer.",
    }),
    keptCharacters: t.exposeInt('keptCharacters', { description: 'UTF-16 units of earlier attempts that it kept.' }),
  }),
});

builder.prismaObjectFields('Turn', (t) => ({
  attempts: t.field({
    type: [TurnAttempt],
    description: 'Every attempt at the turn, in order.',
    resolve: async ({ id }, _args, { loaders }) => (await loaders.turnAttempts.load(id)) ?? [],
  }),
  context: t.field({
    type: ContextReport,
    nullable: true,
    description: 'What the model was shown in the last call of this turn; null where none was made.',
    resolve: ({ id }, _args, { loaders }) => loaders.turnContexts.load(id),
  }),
}));
