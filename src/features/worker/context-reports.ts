import type { ContextRecord, ContextReport } from '../../contracts/context.ts';
import { itemsOf } from '../../engine/index.ts';
import { groupBy } from '../../kernel/group.ts';
import type { Tx } from '../../platform/db.ts';
import { bytesOfSummary, readSummaries, withSummary } from '../context/index.ts';
import { joinConversation } from '../conversations/index.ts';
import { listForContexts } from '../messages/index.ts';
import { turnsAs } from '../turns/index.ts';

type Row = {
  id: string;
  inputMessageId: string;
  systemPrompt: string;
  provider: string;
  model: string;
  context: ContextRecord;
};

const lastContext = `
  FROM ${turnsAs('t')} ${joinConversation('c', 't.conversation_id')} CROSS JOIN LATERAL (
    SELECT context FROM turn_attempt WHERE turn_id = t.id AND context IS NOT NULL ORDER BY number DESC LIMIT 1) a`;

/** About what one message that was looked at takes of a report, in bytes. */
const itemBytes = 400;

/**
 * What the models of turns were shown in their last call, for answers: it may be large. A turn that has called none is
 * absent.
 */
export const createReports = (tx: Tx) => ({
  lengths: (turnIds: readonly string[]): Promise<{ id: string; bytes: number }[]> =>
    tx.query(
      `SELECT t.id, octet_length(c.system_prompt) + octet_length(a.context::text) + (a.context->>'considered')::int *
        ${itemBytes}
         + coalesce((${bytesOfSummary("(a.context->'summary'->>'id')::uuid")}), 0) AS bytes
       ${lastContext} WHERE t.id = ANY($1::uuid[]) AND t.input_message_id IS NOT NULL`,
      [turnIds],
    ),
  values: (turnIds: readonly string[]) => reportsOf(tx, turnIds),
});

async function reportsOf(tx: Tx, turnIds: readonly string[]): Promise<Map<string, ContextReport>> {
  const rows = await tx.query<Row>(
    `SELECT t.id, t.input_message_id AS "inputMessageId", c.system_prompt AS "systemPrompt", t.provider,
      t.model, a.context
     ${lastContext} WHERE t.id = ANY($1::uuid[]) AND t.input_message_id IS NOT NULL`,
    [turnIds],
  );
  const summaries = await readSummaries(
    tx,
    rows.flatMap(({ context }) => context.summary?.id ?? []),
  );
  const reports = new Map<string, ContextReport>();
  for (const [considered, group] of groupBy(rows, ({ context }) => context.considered)) {
    const questions = [...new Set(group.map(({ inputMessageId }) => inputMessageId))];
    const lists = await listForContexts(tx, questions, considered, false);
    for (const row of group)
      reports.set(
        row.id,
        reportOf(row, lists.get(row.inputMessageId) ?? [], summaries.get(row.context.summary?.id ?? '') ?? null),
      );
  }
  return reports;
}

const reportOf = (
  { systemPrompt, provider, model, context }: Row,
  shown: Parameters<typeof itemsOf>[0],
  summary: string | null,
): ContextReport => ({
  ...{ provider, model },
  systemPrompt: withSummary(context.systemPrompt ?? systemPrompt, summary),
  items: itemsOf(shown, context),
  totalTokens: context.tokens,
  toolSchemasTokens: context.tools ?? 0,
  limit: context.limit,
});
