export type TurnStatus =
  | 'QUEUED'
  | 'RUNNING'
  | 'RECOVERING'
  | 'WAITING_APPROVAL'
  | 'WAITING_CLIENT_TOOL'
  | 'COMPLETED'
  | 'FAILED'
  | 'CANCELLED'
  | 'SUPERSEDED';

/** What made a turn. */
export type TurnTrigger = 'SEND' | 'REGENERATE' | 'EDIT' | 'RETRY' | 'CONTINUE' | 'APPROVAL' | 'SCHEDULE';

/** What a client that stops a turn wants kept of the answer. */
export type StopRequest = {
  keepPartial: boolean;
  /** What it had on screen: the stored text is cut there. */
  seen: { messageId: string; partIndex: number; length: number } | null;
  /** Whether another turn takes its place: whatever it answers is none of the conversation then. */
  supersedes?: true;
};

/**
 * Moments in a turn's life that operators may watch (and fault tests strike at), on the diagnostics channel
 * `colloquy.turn`.
 */
export type TurnPoint =
  | 'admitted'
  | 'claimed'
  | 'request-sent'
  | 'first-delta'
  | 'delta'
  | 'calls-stored'
  | 'tool-started'
  | 'tool-done'
  | 'tool-stored'
  | 'waiting'
  | 'finishing'
  | 'settled';
