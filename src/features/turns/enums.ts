import { described } from '../../graph/described-enum.ts';

export const TurnStatus = described('TurnStatus', 'The status of a turn. COMPLETED, FAILED, CANCELLED and SUPERSEDED are final.', {
  QUEUED: 'Admitted; waits for a worker, or for the turns before it.',
  RUNNING: 'A worker is running it.',
  RECOVERING: 'Its worker died or lost its lease; another worker continues it.',
  WAITING_APPROVAL: 'It waits for a person to approve a call of a tool; no worker is occupied meanwhile.',
  WAITING_CLIENT_TOOL: 'It waits for the output of a tool that runs at the client.',
  COMPLETED: 'The model finished its answer.',
  FAILED: 'It ended with an error; what there is of the answer is kept.',
  CANCELLED: 'A user stopped it.',
  SUPERSEDED: 'Another turn took its place.',
});

export const TurnTrigger = described('TurnTrigger', 'What began a turn.', {
  SEND: 'A new message.',
  REGENERATE: 'Another answer was asked for.',
  EDIT: 'A message was changed.',
  RETRY: 'A failed or stopped turn was run again.',
  CONTINUE: 'An answer was continued.',
  APPROVAL: 'A decision on a tool call.',
  SCHEDULE: 'It began on a schedule.',
});

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
