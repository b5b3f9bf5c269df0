import { builder } from './builder.ts';

/** An enum whose every value is described. */
const described = <V extends string>(name: string, description: string, values: Record<V, string>) =>
  builder.enumType(name, {
    description,
    values: Object.fromEntries(Object.entries<string>(values).map(([value, text]) => [value, { description: text }])) as Record<
      V,
      { description: string }
    >,
  });

export const Role = described('Role', 'What a user is, and so what they may do.', {
  ANONYMOUS: 'A guest with a session of their own.',
  USER: 'A signed-in person.',
  OPERATOR: 'May watch the system and manage its configuration.',
  ADMIN: 'May do everything, also manage users.',
});

export const ViewerAction = described('ViewerAction', 'An action for which a viewer needs permission.', {
  USE_AI: 'Send messages to models.',
  EXECUTE_TOOLS: 'Let tools run.',
  MANAGE_CONFIGURATIONS: 'Change configurations and prompts.',
  MONITOR: 'Watch the whole system.',
  MANAGE_USERS: 'Change users and their roles.',
});

export const ConversationStatus = described('ConversationStatus', 'The status of a conversation.', {
  ACTIVE: 'It accepts messages.',
  COMPLETED: 'It has ended for good; it can be read.',
  ARCHIVED: 'It is in the archive and takes no messages; taken out of it, it does again.',
});

export const TitleSource = described('TitleSource', 'Who made the title.', {
  FALLBACK: 'The beginning of the first message, or the date.',
  GENERATED: 'A model.',
  USER: 'The user.',
});

export const MessageRole = described('MessageRole', 'Who wrote the message.', {
  USER: 'The user who speaks.',
  ASSISTANT: 'The model.',
  SYSTEM: 'The application, not the user.',
  TOOL: 'A tool, answering a call of the model.',
});

export const MessageStatus = described('MessageStatus', 'The status of a message.', {
  PENDING: 'The model has not begun to write it.',
  STREAMING: 'It is being written; its parts grow.',
  COMPLETE: 'It is complete and never changes.',
  STOPPED: 'A user stopped it; what it has is kept.',
  FAILED: 'Its turn failed; the text so far is kept.',
  SUPERSEDED: 'Another message took its place.',
});

export const FinishReason = described('FinishReason', 'Why the model, or the turn, came to its end.', {
  STOP: 'The model finished, or wrote a stop sequence.',
  LENGTH: 'The answer reached its limit of tokens.',
  TOOL_CALLS: 'The model asked for tools.',
  CONTENT_FILTER: "The provider's filter ended the answer.",
  USER_STOPPED: 'A user stopped it.',
  BUDGET: 'The budget was used up.',
  ERROR: 'It failed; see the error.',
  SUPERSEDED: 'Another turn took its place.',
});

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

export const UsageKind = described('UsageKind', 'What a provider was called for.', {
  CHAT: 'An answer.',
  EMBEDDING: 'An embedding of text.',
  TITLE: 'A title.',
  SUMMARY: 'A summary of older messages.',
  MODERATION: 'A check of content.',
});

export const UsageSource = described('UsageSource', 'Who counted the tokens of a call.', {
  PROVIDER: "The provider's own count.",
  ESTIMATED: 'An estimate, at least in part, because the provider sent no count, or one that cannot be right. Of nothing where it refused the call.',
  RECONCILED: "An estimate that was corrected to the provider's count.",
  CACHE: 'No model was called: the answer came from a cache.',
});

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
