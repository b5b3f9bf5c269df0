import type { ModelAnswer, ModelFinishReason } from '../call/answer.ts';
import { createStreamTranslation, type Translation } from '../call/translation.ts';
import { type CallReader, createCallReader } from './tool-calls.ts';
import { toUsage } from './usage.ts';

/** The fields that are read; servers send many more. */
type Chunk = {
  id?: unknown;
  model?: unknown;
  object?: unknown;
  error?: unknown;
  usage?: unknown;
  /** Groq's own; the usage may be in it alone. */
  x_groq?: { usage?: unknown } | null;
  choices?: unknown;
};
type Choice = { index?: unknown; delta?: Record<string, unknown> | null; finish_reason?: unknown };

/** Chat Completions as OpenAI streams them, and as compatible servers do. */
export function createTranslation(): Translation {
  const calls = createCallReader();
  return createStreamTranslation({
    endMark: '[DONE]',
    read(chunk: Chunk, answer, event) {
      if (chunk.error || event === 'error' || chunk.object === 'error') {
        readUsage(chunk, answer);
        answer.fail(chunk.error || chunk);
        return;
      }
      answer.describe(chunk.id, chunk.model);
      const choice = firstOf(chunk.choices);
      if (choice) onChoice(choice, answer, calls);
      readUsage(chunk, answer);
    },
  });
}

/**
 * Of several answers in one stream the one that was asked for, which is number 0, wherever it stands; servers may leave
 * the number out.
 */
function firstOf(choices: unknown): Choice | undefined {
  if (!Array.isArray(choices)) return undefined;
  for (const choice of choices as (Choice | null | undefined)[])
    if (choice && (choice.index === 0 || choice.index == null || Number(choice.index) === 0)) return choice;
  return undefined;
}

/** Some servers count in every chunk. */
function readUsage({ usage, x_groq: groq }: Chunk, answer: ModelAnswer): void {
  const given = usage ?? groq?.usage;
  if (given) answer.count(toUsage(given));
}

function onChoice({ delta, finish_reason: word }: Choice, answer: ModelAnswer, calls: CallReader): void {
  if (delta) {
    // "reasoning_content" is what DeepSeek and vLLM call it, "reasoning" OpenRouter and Ollama; a server that sends
    // both means one.
    answer.append('reasoning-delta', delta.reasoning_content ?? delta.reasoning);
    answer.append('text-delta', delta.content);
    answer.append('refusal-delta', delta.refusal);
    if (delta.tool_calls) onCalls(delta.tool_calls, answer, calls);
  }
  if (typeof word === 'string' && word) onFinish(word, answer);
}

function onCalls(given: unknown, answer: ModelAnswer, calls: CallReader): void {
  for (const event of calls(given)) {
    if (event.kind === 'tool-arguments') answer.append(event.kind, event.text, event.index);
    else answer.begin(event);
  }
}

/** A map: in a record, a server's word could be that of something which every object has. */
const reasons = new Map<string, ModelFinishReason>([
  ['stop', 'STOP'],
  ['length', 'LENGTH'],
  ['max_tokens', 'LENGTH'],
  ['tool_calls', 'TOOL_CALLS'],
  ['function_call', 'TOOL_CALLS'],
  ['content_filter', 'CONTENT_FILTER'],
]);

/** What compatible servers call an end that is none: the answer broke off. */
const breakdowns = new Set(['error', 'abort', 'insufficient_system_resource']);

/** An unknown word is still the word of a model that came to its end. */
function onFinish(word: string, answer: ModelAnswer): void {
  if (breakdowns.has(word)) answer.fail({ message: `finish_reason: ${word}` });
  else answer.finish(reasons.get(word) ?? (word.startsWith('content_filter') ? 'CONTENT_FILTER' : 'STOP'));
}
