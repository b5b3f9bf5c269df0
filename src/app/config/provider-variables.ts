import { z } from 'zod';
import { text, webUrl, whole, words } from './variable-kinds.ts';

/** The model provider, and the scripted model that answers where there is none. */
export const providerVariables = {
  OPENAI_API_KEY: text(1_000)
    .optional()
    .describe('The key of the model provider. Without key and base URL a scripted model answers, offline.'),
  OPENAI_BASE_URL: webUrl('http://127.0.0.1:11434/v1')
    .optional()
    .describe('An OpenAI-compatible server (Ollama, vLLM, …) in place of api.openai.com. It may do without a key.'),
  OPENAI_ORG_ID: text(255).optional().describe('The OpenAI organization that calls are charged to.'),
  OPENAI_MODEL: text(100)
    .optional()
    .describe('The model that answers unless another is chosen: gpt-4o-mini, or scripted-1 for the scripted model.'),
  OPENAI_MODELS: words(100).default([]).describe('Further models, separated by commas, that may be chosen.'),
  OPENAI_MAX_TOKENS: whole(1, 1_000_000)
    .optional()
    .describe("Tokens of one answer at the most. Without it the provider's own default holds."),
  OPENAI_TEMPERATURE: z
    .string()
    .regex(/^\d+(\.\d+)?$/, 'expected a number from 0 to 2')
    .transform(Number)
    .refine((value) => value <= 2, 'expected a number from 0 to 2')
    .optional()
    .describe("How freely the model writes, from 0 to 2. Without it the provider's own default holds."),
  MODEL_FIRST_TOKEN_TIMEOUT_MS: whole(100, 600_000)
    .default(60_000)
    .describe('How long a model may take to say its first word, in milliseconds.'),
  MODEL_IDLE_TIMEOUT_MS: whole(100, 600_000)
    .default(30_000)
    .describe('How long a model may fall silent in mid-answer, in milliseconds.'),
  MODEL_MAX_RETRIES: whole(0, 10)
    .default(2)
    .describe('How often a call to the model that failed for a passing reason is tried again.'),
  SCRIPTED_TOKENS_PER_SECOND: whole(1, 100_000).default(25).describe('How fast the scripted model writes.'),
};
