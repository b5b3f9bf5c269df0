import DataLoader from 'dataloader';
import type { MessagePart } from '../../contracts/message.ts';
import { foldAll } from '../../contracts/turn-fold.ts';
import type { EventLog } from '../../events/index.ts';
import type { AnswerBudget } from '../../graph/budget/index.ts';

type LogReads = Pick<EventLog, 'readTurn' | 'readTurns'>;
type LogPage = Awaited<ReturnType<EventLog['readTurn']>>;
type Streaming = { messageId: string; turnId: string };
/**
 * What one statement reads of each answer that streams; few are longer. In events, and in bytes of all of them
 * together.
 */
const pageSize = 500;
const pageBytes = 256_000;

export type StreamingParts = DataLoader<Streaming, MessagePart[], string>;

/**
 * What the events of their turns add up to, for messages that still stream: at most one of a conversation does at a
 * time.
 */
export const createStreamingParts = (log: LogReads, budget: AnswerBudget): StreamingParts =>
  new DataLoader<Streaming, MessagePart[], string>((keys) => foldMessages(log, budget, keys), {
    cacheKeyFn: ({ messageId }) => messageId,
  });

async function foldMessages(
  log: LogReads,
  budget: AnswerBudget,
  streaming: readonly Streaming[],
): Promise<MessagePart[][]> {
  const turnIds = streaming.map(({ turnId }) => turnId);
  const pages = await budget.readWithin(pageBytes, async (room) => {
    const value = await log.readTurns(turnIds, pageSize, Math.ceil(room / turnIds.length));
    return { value, bytes: [...value.values()].reduce((sum, { bytes }) => sum + bytes, 0) };
  });
  return Promise.all(streaming.map((each) => foldMessage(log, budget, each, pages.get(each.turnId))));
}

const noPage: LogPage = { events: [], full: false, bytes: 0 };

async function foldMessage(
  log: LogReads,
  budget: AnswerBudget,
  { messageId, turnId }: Streaming,
  first = noPage,
): Promise<MessagePart[]> {
  const readOn = (after: number) =>
    budget.readWithin(pageBytes, async (room) => {
      const value = await log.readTurn(turnId, after, pageSize, room);
      return { value, bytes: value.bytes };
    });
  let view = foldAll([]);
  for (let page = first; ; page = await readOn(page.events.at(-1)!.seq)) {
    view = foldAll(
      page.events.map(({ body }) => body),
      view,
    );
    if (!page.full || page.events.length === 0) return [...(view.messages[messageId] ?? [])];
  }
}
