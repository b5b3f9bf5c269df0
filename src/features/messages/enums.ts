import { described } from '../../graph/described-enum.ts';

export const MessageRole = described('MessageRole', 'Who wrote the message.', {
  USER: 'The user who speaks.',
  ASSISTANT: 'The model.',
  SYSTEM: 'The application, not the user.',
  TOOL: 'A tool, answering a call of the model.',
});

export const MessageStatus = described('MessageStatus', 'The status of a message.', {
  PENDING: 'The model has not begun to write it.',
  STREAMING: 'It is being written; its parts grow.',
  COMPLETE: 'It is complete and never changes.',
  STOPPED: 'A user stopped it; what it has is kept.',
  FAILED: 'Its turn failed; the text so far is kept.',
  SUPERSEDED: 'Another message took its place.',
});

export const FinishReason = described('FinishReason', 'Why the model, or the turn, came to its end.', {
  STOP: 'The model finished, or wrote a stop sequence.',
  LENGTH: 'The answer reached its limit of tokens.',
  TOOL_CALLS: 'The model asked for tools.',
  CONTENT_FILTER: "The provider's filter ended the answer.",
  USER_STOPPED: 'A user stopped it.',
  BUDGET: 'The budget was used up.',
  ERROR: 'It failed; see the error.',
  SUPERSEDED: 'Another turn took its place.',
});
