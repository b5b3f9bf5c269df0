import { described } from '../../graph/described-enum.ts';

export const AttemptOutcome = described('AttemptOutcome', 'How one attempt at a turn ended.', {
  RUNNING: 'It is running.',
  COMPLETED: 'It was the last: the turn ended with it.',
  CRASHED: 'Its worker died or lost its lease.',
  PROVIDER_ERROR: 'The call of the provider failed.',
  FENCED: 'Another worker had taken the turn over.',
  SUPERSEDED: 'Another turn replaced this one.',
});

export const RecoveryMode = described('RecoveryMode', 'What an attempt continued from.', {
  FRESH: 'Nothing was kept: the step was done again from its beginning.',
  CONTINUED_FROM_PARTIAL: 'Finished work of an earlier attempt was kept.',
  REATTACHED_TO_PROVIDER: "The provider's own stream was taken up again.",
});
