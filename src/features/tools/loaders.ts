import { RowReader } from '../../graph/budget/index.ts';
import { addLoaders, batched, byId, type Loader, large, listed } from '../../graph/loaders.ts';
import type { Rows } from '../../graph/rows.ts';
import { createApprovalRows, createCallRows } from './call-rows.ts';
import type { CallContents } from './rows.ts';

type ToolCall = Rows['ToolCall'];
type Approval = Rows['Approval'];

declare module '../../graph/loaders.ts' {
  interface Loaders {
    /** Reads calls with their arguments and results where there is room for these. */
    callReader: RowReader<ToolCall, CallContents>;
    toolCallRows: Loader<ToolCall>;
    turnCalls: Loader<ToolCall[]>;
    approvalRows: Loader<Approval>;
    callApproval: Loader<Approval>;
    /** Approvals that a conversation waits for. */
    pendingApprovals: Loader<Approval[]>;
    editedArguments: Loader<unknown>;
  }
}

addLoaders(({ db }) => {
  const calls = createCallRows(db);
  const approvals = createApprovalRows(db);
  return {
    callReader: (budget) => new RowReader(budget, calls.contents),
    toolCallRows: (_, { callReader }) => byId((ids) => callReader.read((room) => calls.byIds(ids, room))),
    messageCalls: (_, { callReader }) =>
      listed(
        (ids) => callReader.read((room) => calls.ofMessages(ids, room)),
        ({ messageId }) => messageId,
      ),
    turnCalls: (_, { callReader }) =>
      listed(
        (ids) => callReader.read((room) => calls.ofTurns(ids, room)),
        ({ turnId }) => turnId!,
      ),
    approvalRows: () => byId(approvals.byIds),
    callApproval: () => batched(approvals.ofCalls),
    pendingApprovals: () => batched(approvals.pendingOf),
    editedArguments: (budget) => large(budget, approvals.editedArguments),
  };
});
