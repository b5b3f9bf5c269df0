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

export const ViewerAction = described('ViewerAction', 'Something that a viewer may or may not do.', {
  USE_AI: 'Send messages to models.',
  EXECUTE_TOOLS: 'Let tools run.',
  MANAGE_CONFIGURATIONS: 'Change configurations and prompts.',
  MONITOR: 'Watch the whole system.',
  MANAGE_USERS: 'Change users and their roles.',
});

export const ConversationStatus = described('ConversationStatus', 'Whether a conversation takes messages.', {
  ACTIVE: 'It takes messages.',
  COMPLETED: 'It has ended for good; it can be read.',
  ARCHIVED: 'It is put away; taken out of the archive it takes messages again.',
});

export const TitleSource = described('TitleSource', 'Who made the title.', {
  FALLBACK: 'The beginning of the first message, or the date.',
  GENERATED: 'A model.',
  USER: 'The user.',
});

export const MessageRole = described('MessageRole', 'Who speaks.', {
  USER: 'The person.',
  ASSISTANT: 'The model.',
  SYSTEM: 'The application.',
  TOOL: 'A tool, answering a call of the model.',
});

export const MessageStatus = described('MessageStatus', 'How far a message is.', {
  PENDING: 'Nothing of it exists yet.',
  STREAMING: 'It is being written; its parts grow.',
  COMPLETE: 'It is whole and never changes.',
  STOPPED: 'A user stopped it; what it has is kept.',
  FAILED: 'Its turn failed; what it has is kept.',
  SUPERSEDED: 'Another message took its place.',
});

export const FinishReason = described('FinishReason', 'Why the model, or the turn, came to its end.', {
  STOP: 'The model was done, or met a stop sequence.',
  LENGTH: 'The answer reached its limit of tokens.',
  TOOL_CALLS: 'The model asked for tools.',
  CONTENT_FILTER: "The provider's filter ended the answer.",
  USER_STOPPED: 'A user stopped it.',
  BUDGET: 'The budget was used up.',
  ERROR: 'It failed; see the error.',
  SUPERSEDED: 'Another turn took its place.',
});

export const TurnStatus = described('TurnStatus', 'How far a turn is. COMPLETED, FAILED, CANCELLED and SUPERSEDED are final.', {
  QUEUED: 'Admitted; waits for a worker, or for the turns before it.',
  RUNNING: 'A worker runs it.',
  RECOVERING: 'Its worker was lost; another continues it.',
  WAITING_APPROVAL: 'It waits for a decision of a user; no worker is held.',
  WAITING_CLIENT_TOOL: 'It waits for the output of a tool that runs at the client.',
  COMPLETED: 'The model finished its answer.',
  FAILED: 'It ended with an error; what there is of the answer is kept.',
  CANCELLED: 'A user stopped it.',
  SUPERSEDED: 'Another turn took its place.',
});

export const TurnTrigger = described('TurnTrigger', 'What made a turn.', {
  SEND: 'A new message.',
  REGENERATE: 'Another answer was asked for.',
  EDIT: 'A message was changed.',
  RETRY: 'A failed or stopped turn was run again.',
  CONTINUE: 'An answer was continued.',
  APPROVAL: 'A decision on a tool call.',
  SCHEDULE: 'A schedule.',
});

export const AttemptOutcome = described('AttemptOutcome', 'How one try at a turn ended.', {
  RUNNING: 'It goes on.',
  COMPLETED: 'It brought the turn to its end.',
  CRASHED: 'Its worker was lost.',
  PROVIDER_ERROR: 'The call of the provider failed.',
  FENCED: 'Another worker had taken the turn over.',
  SUPERSEDED: 'The turn was replaced.',
});

export const RecoveryMode = described('RecoveryMode', 'What an attempt began with.', {
  FRESH: 'Nothing was kept: the step was done again from its beginning.',
  CONTINUED_FROM_PARTIAL: 'Finished work of an earlier attempt was kept.',
  REATTACHED_TO_PROVIDER: "The provider's own stream was taken up again.",
});

export const UsageKind = described('UsageKind', 'What a provider was called for.', {
  CHAT: 'An answer.',
  EMBEDDING: 'Vectors.',
  TITLE: 'A title.',
  SUMMARY: 'A summary of older messages.',
  MODERATION: 'A check of content.',
});

export const UsageSource = described('UsageSource', 'Where the numbers of a usage row come from.', {
  PROVIDER: "The provider's own count.",
  ESTIMATED: 'An estimate, at least in part, because the provider sent no count, or one that cannot be right. Of nothing where it refused the call.',
  RECONCILED: "An estimate that was corrected to the provider's count.",
  CACHE: 'Nothing was called: the answer came from a cache.',
});

export const ToolKind = described('ToolKind', 'Where a tool runs.', {
  SERVER: 'In a worker.',
  CLIENT: 'At the client, which submits its output.',
  HUMAN: 'In the hands of a person, whose client submits the output.',
});

export const ToolReplay = described('ToolReplay', 'What a crash between the effect of a tool and the storing of its result means.', {
  READ_ONLY: 'It has no effect: it is run again.',
  IDEMPOTENT: 'Its effect happens once for each call id: it is run again with the same.',
  NEVER_REPLAY: 'It is not run again: nobody knows whether it had its effect, and that is said.',
});

export const ApprovalPolicy = described('ApprovalPolicy', 'Whether somebody is asked before a tool is called.', {
  NEVER: 'Nobody is asked.',
  ALWAYS: 'Somebody is asked each time.',
  CONDITIONAL: 'The arguments decide.',
});

export const ToolCallStatus = described('ToolCallStatus', 'How far a call of a tool is.', {
  STREAMING_ARGUMENTS: 'The model is writing its arguments.',
  PENDING_APPROVAL: 'Somebody is asked whether it may be made.',
  PENDING_CLIENT: 'A client is to make it and to submit the output.',
  READY: 'It is about to be made.',
  RUNNING: 'It is being made.',
  SUCCEEDED: 'It has a result.',
  FAILED: 'It failed, or could not be made; the model was told why.',
  DENIED: 'Somebody did not allow it, or nobody did in time.',
  CANCELLED: 'The turn ended, or the model began anew, before it was made.',
  OUTCOME_UNKNOWN: 'It was interrupted: whether it had its effect is not known.',
});

export const ApprovalStatus = described('ApprovalStatus', 'What became of a question whether a tool may be called.', {
  PENDING: 'Nobody has decided.',
  APPROVED: 'The call was allowed, perhaps with other arguments.',
  DENIED: 'The call was not allowed.',
  EXPIRED: 'Nobody decided in time: the call was not made.',
  AUTO_DENIED: 'The turn ended before anybody decided.',
});

export const Risk = described('Risk', 'How much a call may do.', {
  LOW: 'It changes nothing.',
  MEDIUM: 'It changes something, and doing it twice is doing it once.',
  HIGH: 'It changes something for good.',
});
