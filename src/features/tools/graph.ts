/** The schema of calls of tools, and of the approvals that they need. */
import './loaders.ts';

export { Approval, ApprovalConnection, ToolCall } from './types.ts';
