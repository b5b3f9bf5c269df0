import { language, text, truth, whole, words } from './variable-kinds.ts';

/** Conversations, turns, their tools, and the workers that run them. */
export const turnVariables = {
  DEFAULT_LANGUAGE: language
    .default('es')
    .describe('The language of a conversation that names none: a BCP 47 tag such as es or pt-BR.'),
  TITLES: truth
    .default(true)
    .describe('Whether a model makes the title of a conversation that nobody named, after its first answer.'),
  TITLE_MODEL: text(100)
    .optional()
    .describe('The model that makes titles. Without it the one that answers in the conversation.'),
  SUMMARIES: truth
    .default(true)
    .describe('Whether a model summarises what it cannot be shown of a long conversation any more.'),
  SUMMARY_MODEL: text(100)
    .optional()
    .describe('The model that makes summaries. Without it the one that answers in the conversation.'),
  MAX_MESSAGE_CHARS: whole(1, 1_000_000).default(32_000).describe('Characters of one message at the most.'),
  MAX_CONTEXT_MESSAGES: whole(1, 10_000)
    .default(100)
    .describe('How many earlier messages are sent to the model with a new one, at the most.'),
  CONTEXT_TOKEN_BUFFER: whole(0, 100_000)
    .default(500)
    .describe(
      'Tokens of the window of a model that are left free beside prompt and answer: tokenizers differ by a little.',
    ),
  TOOLS: words(1_000)
    .optional()
    .describe(
      'Modules that export tools, separated by commas: paths of files, or "samples". Without it the samples where ' +
        'the scripted model answers.',
    ),
  MAX_TOOL_ROUNDS: whole(1, 100)
    .default(10)
    .describe('How often a model may call tools in one turn before it must answer.'),
  MAX_TOOL_CALLS: whole(1, 1_000).default(100).describe('Calls of tools in one turn at the most.'),
  MAX_TURN_SECONDS: whole(1, 86_400)
    .default(600)
    .describe(
      'Seconds that a turn may spend in one go before the model must answer; what people are waited for does not ' +
        'count.',
    ),
  MAX_TURN_TOKENS: whole(1_000, 1_000_000_000)
    .default(1_000_000)
    .describe(
      'Tokens that a turn may spend on calls of the model, prompts and answers together, before the model must answer.',
    ),
  APPROVAL_SECONDS: whole(1, 31_536_000)
    .default(86_400)
    .describe('How long somebody may take to allow a call of a tool, in seconds; after that it is denied.'),
  WORKER_CONCURRENCY: whole(1, 10_000).default(100).describe('Turns that this process runs at once, at the most.'),
  TURNS_PER_USER: whole(1, 10_000)
    .default(10)
    .describe('Turns of one user that run at once over all processes, at the most; further ones wait.'),
  LEASE_MS: whole(1_000, 60_000)
    .default(4_000)
    .describe(
      'How long a worker owns a turn without renewing, in milliseconds: about the time after which a crashed one is ' +
        'replaced.',
    ),
  SWEEP_MS: whole(100, 60_000)
    .default(10_000)
    .describe(
      'How often a worker looks for what was left, in milliseconds: approvals whose time is up, blocked queues, ' +
        'forgotten side calls, logs to compact, deleted data; a bounded number of each.',
    ),
  DRAIN_SECONDS: whole(5, 3_600)
    .default(28)
    .describe(
      'Seconds from SIGTERM until the process ends in any case; running turns get 5/7 of it, but leave 4 seconds ' +
        'for the rest. Less than what its supervisor grants.',
    ),
};
