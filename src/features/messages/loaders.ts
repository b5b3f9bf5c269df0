import { RowReader } from '../../graph/budget/index.ts';
import {
  type CountLoader,
  createCountLoader,
  createPageLoader,
  createWindowLoader,
  type PageLoader,
} from '../../graph/lists/window.ts';
import { addLoaders, batched, byId, type Loader, listed } from '../../graph/loaders.ts';
import type { Rows } from '../../graph/rows.ts';
import type { MessageContents } from './rows.ts';
import { createStreamingParts, type StreamingParts } from './streaming-loader.ts';
import { createMessageRows } from './tree/message-rows.ts';
import { pathLengths, pathPages } from './tree/pages.ts';

type Message = Rows['Message'];

declare module '../../graph/loaders.ts' {
  interface Loaders {
    /** Reads messages with their contents where there is room for these. */
    messageReader: RowReader<Message, MessageContents>;
    messageRows: Loader<Message>;
    /** Messages of one branch, and how many it has. */
    path: PageLoader;
    pathLength: Loader<number>;
    /** Messages of all branches. */
    messages: PageLoader;
    messageCount: CountLoader;
    messageChildren: Loader<Message[]>;
    firstMessages: Loader<Message[]>;
    /** What was written in a turn. */
    turnMessages: Loader<Message[]>;
    /** Calls of tools of a message, in order. The room of tools reads them. */
    messageCalls: Loader<Rows['ToolCall'][]>;
    /** The parts of messages that still stream: what their turns' events add up to. */
    streamingParts: StreamingParts;
  }
}

const ofConversation = { table: 'message', parent: 'conversation_id', order: 'ordinal', descending: false } as const;

addLoaders(({ db, query, services: { log } }) => {
  const rows = createMessageRows(db);
  return {
    messageReader: (budget) => new RowReader(budget, rows.contents),
    messageRows: (_, { messageReader }) => byId((ids) => messageReader.read((room) => rows.byIds(ids, room))),
    path: () => createPageLoader((ids, page) => pathPages({ query }, ids, page)),
    pathLength: () => batched((ids) => pathLengths({ query }, ids)),
    messages: () => createWindowLoader(query, ofConversation),
    messageCount: () => createCountLoader(query, ofConversation),
    messageChildren: (_, { messageReader }) =>
      listed(
        (ids) => messageReader.read((room) => rows.childrenOf(ids, room)),
        ({ parentId }) => parentId!,
      ),
    firstMessages: (_, { messageReader }) =>
      listed(
        (ids) => messageReader.read((room) => rows.rootsOf(ids, room)),
        ({ conversationId }) => conversationId,
      ),
    turnMessages: (_, { messageReader }) =>
      listed(
        (ids) => messageReader.read((room) => rows.ofTurns(ids, room)),
        ({ turnId }) => turnId!,
      ),
    streamingParts: (budget) => createStreamingParts(log, budget),
  };
});
