import { described } from '../../graph/described-enum.ts';

export const TurnStatus = described(
  'TurnStatus',
  'The status of a turn. COMPLETED, FAILED, CANCELLED and SUPERSEDED are final.',
  {
    QUEUED: 'Admitted; waits for a worker, or for the turns before it.',
    RUNNING: 'A worker is running it.',
    RECOVERING: 'Its worker died or lost its lease; another worker continues it.',
    WAITING_APPROVAL: 'It waits for a person to approve a call of a tool; no worker is occupied meanwhile.',
    WAITING_CLIENT_TOOL: 'It waits for the output of a tool that runs at the client.',
    COMPLETED: 'The model finished its answer.',
    FAILED: 'It ended with an error; what there is of the answer is kept.',
    CANCELLED: 'A user stopped it.',
    SUPERSEDED: 'Another turn took its place.',
  },
);

export const TurnTrigger = described('TurnTrigger', 'What began a turn.', {
  SEND: 'A new message.',
  REGENERATE: 'Another answer was asked for.',
  EDIT: 'A message was changed.',
  RETRY: 'A failed or stopped turn was run again.',
  CONTINUE: 'An answer was continued.',
  APPROVAL: 'A decision on a tool call.',
  SCHEDULE: 'It began on a schedule.',
});
