import type { Turn } from '../../generated/prisma/client.ts';
import { type CountLoader, createCountLoader, createWindowLoader, type PageLoader } from '../../graph/lists/window.ts';
import { addLoaders, batched, byId, type Loader } from '../../graph/loaders.ts';
import type { Rows } from '../../graph/rows.ts';
import { createTurnRows, queuePositions } from './store/turn-rows.ts';

type TurnRow = Omit<Turn, 'generation' | 'stopRequest'>;

declare module '../../graph/rows.ts' {
  interface Rows {
    Turn: TurnRow;
  }
  interface NamedTypes {
    Turn: TurnRow;
  }
}

declare module '../../graph/loaders.ts' {
  interface Loaders {
    turnRows: Loader<Rows['Turn']>;
    /** Turns of a conversation, the newest first. */
    turns: PageLoader;
    turnCount: CountLoader;
    /** Unfinished turns of a conversation in the order they are served. */
    unfinishedTurns: Loader<Rows['Turn'][]>;
    queuePosition: Loader<number>;
  }
}

const ofConversation = { table: 'turn', parent: 'conversation_id', order: 'ordinal', descending: true } as const;

addLoaders(({ db, query }) => {
  const rows = createTurnRows(db);
  return {
    turnRows: () => byId(rows.byIds),
    turns: () => createWindowLoader(query, ofConversation),
    turnCount: () => createCountLoader(query, ofConversation),
    unfinishedTurns: () => batched(rows.unfinishedTurns),
    queuePosition: () => batched((ids) => queuePositions(db, ids)),
  };
});
