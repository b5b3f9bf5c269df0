import { described } from '../../graph/described-enum.ts';

described('ToolKind', 'Where a tool runs.', {
  SERVER: 'In a worker.',
  CLIENT: 'At the client, which submits its output.',
  HUMAN: 'By a person, whose client submits the output.',
});

described('ToolReplay', 'What a crash between the effect of a tool and the storing of its result means.', {
  READ_ONLY: 'It has no effect: it is run again.',
  IDEMPOTENT: 'Its effect happens once for each call id: it is run again with the same.',
  NEVER_REPLAY: 'It is not run again: nobody knows whether it had its effect, and that is said.',
});

described('ApprovalPolicy', 'Whether somebody is asked before a tool is called.', {
  NEVER: 'It needs no approval.',
  ALWAYS: 'A person must approve each call.',
  CONDITIONAL: 'Depends on the arguments of the call.',
});

export const ToolCallStatus = described('ToolCallStatus', 'The status of a call of a tool.', {
  STREAMING_ARGUMENTS: 'The model is writing its arguments.',
  PENDING_APPROVAL: 'It waits for the approval of a person.',
  PENDING_CLIENT: 'The client runs the tool and submits the output (`submitToolOutputs`).',
  READY: 'The tool will be run next.',
  RUNNING: 'The tool is running.',
  SUCCEEDED: 'It has a result.',
  FAILED: 'It failed, or could not be made; the model was told why.',
  DENIED: 'A person did not allow it, or nobody decided in time.',
  CANCELLED: 'The turn ended, or the model began anew, before it was made.',
  OUTCOME_UNKNOWN: 'It was interrupted: nobody knows whether it had its effect.',
});

export const ApprovalStatus = described('ApprovalStatus', 'The status of an approval.', {
  PENDING: 'Nobody has decided.',
  APPROVED: 'The call was allowed, perhaps with other arguments.',
  DENIED: 'The call was not allowed.',
  EXPIRED: 'Nobody decided in time: the call was not made.',
  AUTO_DENIED: 'The turn ended before anybody decided.',
});

export const Risk = described('Risk', 'How much harm a call of a tool can do.', {
  LOW: 'It changes nothing.',
  MEDIUM: 'It changes something, and doing it twice is doing it once.',
  HIGH: 'It changes something for good.',
});
