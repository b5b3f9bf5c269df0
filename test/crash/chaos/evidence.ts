import type { MessagePart } from '../../../src/contracts/message.ts';
import type { ToolCallStatus, ToolReplay } from '../../../src/contracts/tool.ts';
import type { EventBody } from '../../../src/contracts/turn-event.ts';
import type { ScriptedCall } from '../../../src/providers/index.ts';
import type { Effect } from './journals.ts';
import type { Pulse } from './pulse.ts';
import type { Schedule } from './schedule.ts';
import { keyOf, type TurnRecord } from './sender.ts';
import type { Ending, Stage } from './stage.ts';
import type { Watcher } from './watcher.ts';

export type TurnRow = {
  id: string;
  conversationId: string;
  key: string;
  status: string;
  fence: number;
  attempt: number;
  finishedAt: Date | null;
  error: { code: string; message: string } | null;
};
export type AttemptRow = {
  turnId: string;
  number: number;
  worker: string;
  outcome: string;
  startedAt: Date;
  requestedAt: Date | null;
};
export type UsageRow = {
  turnId: string;
  attempt: number;
  source: string;
  requestId: string | null;
  outputTokens: number;
  totalTokens: number;
};
export type EventRow = { conversationId: string; seq: number; turnId: string | null; at: Date; body: EventBody };
export type MessageRow = {
  id: string;
  turnId: string | null;
  role: string;
  status: string;
  content: string;
  sha256: string | null;
  parts: MessagePart[];
};
export type ToolCallRow = {
  id: string;
  turnId: string;
  number: number;
  callId: string;
  toolName: string;
  status: ToolCallStatus;
  replay: ToolReplay;
  attempts: number;
  argumentsText: string;
  arguments: Record<string, unknown> | null;
};
export type ApprovalRow = {
  id: string;
  toolCallId: string;
  status: string;
  editedArguments: Record<string, unknown> | null;
};
export type ConversationRow = { id: string; head: number; totalTokens: number };

/** What the database says of the conversations of a run, past every process of the product. */
export type Rows = {
  conversations: ConversationRow[];
  turns: TurnRow[];
  attempts: AttemptRow[];
  usage: UsageRow[];
  events: EventRow[];
  messages: MessageRow[];
  toolCalls: ToolCallRow[];
  approvals: ApprovalRow[];
};

/** All that a run can be judged by, seen from outside of the product. */
export type Evidence = {
  schedule: Schedule;
  startedAt: number;
  records: TurnRecord[];
  watchers: Watcher[];
  rows: Rows;
  /** The model's own journal, of the turns of this run. */
  calls: (ScriptedCall & { turnKey: string })[];
  /** What tools have done, by their own journal. */
  effects: Effect[];
  endings: Ending[];
  /** What a stranger was shown. */
  leaks: string[];
  /** What did not come to its end in time. */
  unfinished: string[];
  /** The slowest admission without any fault. */
  calmMs: number;
  /** How quick the machine was. */
  beats: Pulse['beats'];
};

export async function readRows({ postgres }: Stage, conversationIds: readonly string[]): Promise<Rows> {
  const client = await postgres.connect();
  const all = async <Row>(text: string): Promise<Row[]> => (await client.query(text, [conversationIds])).rows as Row[];
  try {
    return {
      conversations: await all(`
        SELECT c.id, l.head::int AS head, c.total_tokens::int AS "totalTokens"
        FROM conversation c JOIN conversation_log l ON l.conversation_id = c.id WHERE c.id = ANY($1::uuid[])`),
      turns: await all(`
        SELECT id, conversation_id AS "conversationId", idempotency_key AS key, status::text, fence, attempt, finished_at AS "finishedAt", error
        FROM turn WHERE conversation_id = ANY($1::uuid[]) ORDER BY conversation_id, ordinal`),
      attempts: await all(`
        SELECT a.turn_id AS "turnId", a.number, a.worker, a.outcome::text, a.started_at AS "startedAt", a.requested_at AS "requestedAt"
        FROM turn_attempt a JOIN turn t ON t.id = a.turn_id WHERE t.conversation_id = ANY($1::uuid[]) ORDER BY a.turn_id, a.number`),
      usage: await all(`
        SELECT turn_id AS "turnId", attempt, source::text, request_id AS "requestId", output_tokens AS "outputTokens", total_tokens AS "totalTokens"
        FROM usage WHERE conversation_id = ANY($1::uuid[])`),
      events: await all(`
        SELECT conversation_id AS "conversationId", seq::int, turn_id AS "turnId", at, body
        FROM event WHERE conversation_id = ANY($1::uuid[]) ORDER BY conversation_id, seq`),
      messages: await all(`
        SELECT m.id, m.turn_id AS "turnId", m.role::text, m.status::text, m.content_sha256 AS sha256, m.parts,
          coalesce((SELECT string_agg(p->>'text', '' ORDER BY n) FROM jsonb_array_elements(m.parts) WITH ORDINALITY AS e(p, n) WHERE p->>'type' = 'text'), '') AS content
        FROM message m WHERE m.conversation_id = ANY($1::uuid[]) ORDER BY m.ordinal`),
      toolCalls: await all(`
        SELECT c.id, c.turn_id AS "turnId", c.number, c.call_id AS "callId", c.tool_name AS "toolName", c.status::text, c.replay::text, c.attempts,
          c.arguments_text AS "argumentsText", c.arguments
        FROM tool_call c JOIN turn t ON t.id = c.turn_id WHERE t.conversation_id = ANY($1::uuid[]) ORDER BY c.turn_id, c.number`),
      approvals: await all(`
        SELECT id, tool_call_id AS "toolCallId", status::text, edited_arguments AS "editedArguments"
        FROM approval WHERE conversation_id = ANY($1::uuid[])`),
    };
  } finally {
    await client.end().catch(() => {});
  }
}

/** The calls of the journal that were made for these turns: each question is asked once in the world. */
export function callsOf({ model }: Stage, records: readonly TurnRecord[]): Evidence['calls'] {
  const keys = new Map(records.map(({ plan }) => [plan.text, plan.key]));
  return model.calls.flatMap((call) => {
    const turnKey = keys.get(call.messages.findLast(({ role }) => role === 'user')?.content ?? '');
    return turnKey === undefined ? [] : [{ ...call, turnKey }];
  });
}

/** The conversations that the clients of a run know of. */
export const conversationsOf = (records: readonly TurnRecord[]): string[] => [
  ...new Set(records.flatMap(({ answers }) => answers.map(({ conversationId }) => keyOf(conversationId)))),
];
