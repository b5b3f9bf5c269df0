import type { EventBody } from '../../../contracts/turn-event.ts';

/** The event that ends a call, with the place of its result; null where it has none. */
export const finishedCall = (
  messageId: string,
  { id, number, resultIndex }: { id: string; number: number; resultIndex: number | null },
): EventBody => ({
  ...{ type: 'tool-finished', messageId, partIndex: resultIndex, call: number, toolCallId: id },
});
