import type { Json } from '../kernel/json.ts';
import type { FinishReason } from './message.ts';

/**
 * The vocabulary of the event log, as stored and as sent between processes. `schema.graphql` gives each its public
 * shape. A reader that meets a type it does not know skips it and keeps its cursor: older processes survive a rolling
 * deploy.
 */
export type EventBody =
  | { type: 'conversation-updated'; changed: string[] }
  | { type: 'conversation-deleted' }
  | { type: 'branch-selected'; leafId: string }
  | { type: 'message-added'; messageId: string }
  | { type: 'message-updated'; messageId: string; changed: string[] }
  | {
      type: 'message-completed';
      messageId: string;
      finishReason: FinishReason;
      contentLength: number;
      contentSha256: string;
    }
  | DeltaBody
  | { type: 'part-replaced'; messageId: string; partIndex: number; keepLength: number; reason: string }
  | { type: 'tool-call-started'; messageId: string; partIndex: number; call: number; toolCallId: string }
  | { type: 'tool-started'; toolCallId: string }
  | { type: 'tool-progress'; toolCallId: string; progress: number | null; message: string | null; data: Json }
  /** `partIndex` is the place of the result; null where there is none, since the call was taken back. */
  | { type: 'tool-finished'; messageId: string; partIndex: number | null; call: number; toolCallId: string }
  | { type: 'widget-displayed'; messageId: string; partIndex: number; widgetType: string; data: Json }
  | { type: 'approval-requested'; approvalId: string }
  | { type: 'approval-decided'; approvalId: string }
  | { type: 'turn-waiting'; turnId: string; approvalIds: string[]; toolCallIds: string[] }
  | { type: 'turn-steered'; messageId: string; consumed: boolean }
  | { type: 'turn-queued'; turnId: string; position: number }
  | { type: 'turn-started'; turnId: string }
  | { type: 'turn-recovering'; turnId: string; attempt: number; reason: string }
  | { type: 'context-truncated'; droppedMessages: number; summarisedMessages: number; tokens: number; limit: number }
  | { type: 'usage-recorded'; usageId: string; conversationTokens: string; conversationCost: string }
  | TurnFinishedBody;

/**
 * Text at an address: `offset` counts UTF-16 units of the part before it. No delta begins or ends inside a surrogate
 * pair.
 */
export type DeltaBody = {
  type: 'text-delta' | 'reasoning-delta' | 'arguments-delta';
  messageId: string;
  partIndex: number;
  offset: number;
  text: string;
  attempt: number;
  /** Of the arguments of a call: which one. */
  toolCallId?: string;
  /** Where compaction merged several rows: what each of them was. */
  marks?: MergedRowIndex;
};

/**
 * The rows that a compacted delta stands for: triples of seq (from the one before), length (UTF-16 units) and
 * milliseconds (from the one before).
 */
export type MergedRowIndex = { seq: number; at: number; steps: number[] };

export type TotalsRecord = {
  inputTokens: number;
  outputTokens: number;
  totalTokens: number;
  /** Decimal text in US dollars, over the calls whose price is known. */
  costUsd: string;
  requests: number;
  unpricedRequests: number;
};

/** A refusal or failure as it is stored with a turn. */
export type ErrorRecord = {
  type:
    | 'ProviderError'
    | 'ContextTooLongError'
    | 'ContentFilteredError'
    | 'InternalError'
    | 'ConflictError'
    | 'ValidationError';
  code: string;
  message: string;
  retryable: boolean;
  provider?: string;
  httpStatus?: number | null;
  requestId?: string | null;
  tokens?: number;
  limit?: number;
  categories?: string[];
};

export type TurnFinishedBody = {
  type: 'turn-finished';
  turnId: string;
  status: 'COMPLETED' | 'FAILED' | 'CANCELLED' | 'SUPERSEDED';
  finishReason: FinishReason;
  totals: TotalsRecord;
  error: ErrorRecord | null;
};

/** The events of one kind. */
export type EventOf<K extends EventBody['type']> = K extends DeltaBody['type']
  ? DeltaBody & { type: K }
  : Extract<EventBody, { type: K }>;

/** An event with its place in the log of its conversation. */
export type LogEvent = { seq: number; at: Date; turnId: string | null; body: EventBody };

/**
 * `lasting`: its row stays as it is. `passing`: of use only while the turn runs; its row goes when the turn has ended.
 */
type EventKind = { graphqlType: string; nature: 'lasting' | 'passing' };
/** More of the `part` that it names. Neighbours become one in frames and when the turn has ended. */
type DeltaKind = { graphqlType: string; nature: 'delta'; part: 'text' | 'reasoning' | 'tool-call' };

/**
 * What every kind of event answers to the questions that are asked of events: the GraphQL type that shows it, and what
 * its row is worth later. What it does to the view of a turn stands in `turn-fold.ts`. A new kind compiles only when it
 * is answered for in both, and has its GraphQL type.
 */
export const eventKinds = {
  'conversation-updated': { graphqlType: 'ConversationUpdatedEvent', nature: 'lasting' },
  'conversation-deleted': { graphqlType: 'ConversationDeletedEvent', nature: 'lasting' },
  'branch-selected': { graphqlType: 'BranchSelectedEvent', nature: 'lasting' },
  'message-added': { graphqlType: 'MessageAddedEvent', nature: 'lasting' },
  'message-updated': { graphqlType: 'MessageUpdatedEvent', nature: 'lasting' },
  'message-completed': { graphqlType: 'MessageCompletedEvent', nature: 'lasting' },
  'text-delta': { graphqlType: 'TextDeltaEvent', nature: 'delta', part: 'text' },
  'reasoning-delta': { graphqlType: 'ReasoningDeltaEvent', nature: 'delta', part: 'reasoning' },
  'arguments-delta': { graphqlType: 'ToolArgumentsDeltaEvent', nature: 'delta', part: 'tool-call' },
  'part-replaced': { graphqlType: 'PartReplacedEvent', nature: 'lasting' },
  'tool-call-started': { graphqlType: 'ToolCallStartedEvent', nature: 'lasting' },
  'tool-started': { graphqlType: 'ToolExecutionStartedEvent', nature: 'lasting' },
  'tool-progress': { graphqlType: 'ToolProgressEvent', nature: 'passing' },
  'tool-finished': { graphqlType: 'ToolExecutionFinishedEvent', nature: 'lasting' },
  'widget-displayed': { graphqlType: 'WidgetDisplayedEvent', nature: 'lasting' },
  'approval-requested': { graphqlType: 'ApprovalRequestedEvent', nature: 'lasting' },
  'approval-decided': { graphqlType: 'ApprovalDecidedEvent', nature: 'lasting' },
  'turn-waiting': { graphqlType: 'TurnWaitingEvent', nature: 'lasting' },
  'turn-steered': { graphqlType: 'TurnSteeredEvent', nature: 'lasting' },
  'turn-queued': { graphqlType: 'TurnQueuedEvent', nature: 'lasting' },
  'turn-started': { graphqlType: 'TurnStartedEvent', nature: 'lasting' },
  'turn-recovering': { graphqlType: 'TurnRecoveringEvent', nature: 'lasting' },
  'context-truncated': { graphqlType: 'ContextTruncatedEvent', nature: 'lasting' },
  'usage-recorded': { graphqlType: 'UsageRecordedEvent', nature: 'lasting' },
  'turn-finished': { graphqlType: 'TurnFinishedEvent', nature: 'lasting' },
} as const satisfies { [K in EventBody['type']]: K extends DeltaBody['type'] ? DeltaKind : EventKind };

/** The nature of an event; of a kind that only a newer version knows, lasting. */
const natureOf = ({ type }: EventBody): (EventKind | DeltaKind)['nature'] =>
  (eventKinds as Partial<Record<string, EventKind | DeltaKind>>)[type]?.nature ?? 'lasting';

export const isDelta = (body: EventBody): body is DeltaBody => natureOf(body) === 'delta';

/** Whether an event is of use only while its turn runs. */
export const isPassing = (body: EventBody): boolean => natureOf(body) === 'passing';
