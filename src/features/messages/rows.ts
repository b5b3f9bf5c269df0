import type { Message } from '../../generated/prisma/client.ts';
import type { Measured } from '../../graph/rows.ts';

export type MessageContents = Pick<Message, 'parts' | 'metadata'>;

declare module '../../graph/rows.ts' {
  interface Rows {
    Message: Measured<Message, MessageContents>;
  }
  interface NamedTypes {
    Message: Measured<Message, MessageContents>;
  }
}
