import type { Approval, ToolCall } from '../../generated/prisma/client.ts';
import type { Measured } from '../../graph/rows.ts';

export type CallContents = Pick<ToolCall, 'argumentsText' | 'arguments' | 'result' | 'errorMessage'>;

declare module '../../graph/rows.ts' {
  interface Rows {
    ToolCall: Measured<ToolCall, CallContents>;
    Approval: Omit<Approval, 'editedArguments'>;
  }
  interface NamedInterfaces {
    ToolCall: Measured<ToolCall, CallContents>;
  }
}
