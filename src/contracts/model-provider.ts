import type { JsonObject } from '../kernel/json.ts';
import type { ModelEvent } from './model-event.ts';
import type { ModelMessage } from './model-message.ts';

/** A tool as the model sees it: `parameters` is a JSON Schema of an object. */
export type ToolSpec = { name: string; description: string; parameters: JsonObject };

/** Whether the model may, must not, or must call tools, or which one it must. */
export type ToolChoice = 'auto' | 'none' | 'required' | { tool: string };

/** The shape that an answer must have. */
export type ResponseFormat = {
  name: string;
  /** A JSON Schema of an object. */
  schema: JsonObject;
};

/** How to generate; what is absent is left to the provider's default. */
export type Generation = {
  temperature?: number;
  maxTokens?: number;
  topP?: number;
  frequencyPenalty?: number;
  presencePenalty?: number;
  stop?: string[];
  responseFormat?: ResponseFormat;
  /** Names of the tools that the model may call; absent: all that there are. */
  tools?: string[];
  toolChoice?: ToolChoice;
};

export type ModelRequest = {
  model: string;
  messages: readonly ModelMessage[];
  generation: Omit<Generation, 'tools' | 'toolChoice'>;
  tools?: readonly ToolSpec[];
  toolChoice?: ToolChoice;
};

export type ModelInfo = {
  /** As the provider names it, e.g. "gpt-4o". */
  id: string;
  /** The name to show to people. */
  displayName: string;
  provider: string;
  /** Tokens of prompt and answer together. */
  contextWindow: number;
  /** Tokens of one answer at the most. */
  maxOutputTokens: number;
  /** Tokens that an answer has at the most where nothing is asked for; absent: what the provider says. */
  outputLimit?: number;
  supportsTools: boolean;
  supportsBackground: boolean;
  /** Whether a call can be made with what is configured. */
  configured: boolean;
};

/** What becomes of a request, reported as it happens: of a call that is cut off nobody can say it later. */
export type RequestProgress = {
  /** All of the request has left this process, so that it may be billed; its body has so many bytes. */
  sent(bytes: number): void;
  /** The provider refused it with an HTTP status of 400 or more, so that it is not billed. */
  refused(): void;
};

/**
 * One way to a model. `stream` makes exactly one call and never retries: retries belong to the turn, which records
 * each.
 *
 * Yields batches (what one read of the network held), in order. Ends normally only after `finish`; every failure throws
 * a `ProviderError` that says whether it is retryable: refusals by status, a stream that ends without a reason,
 * garbage, silence beyond the time-outs. When `signal` is aborted it closes the connection and throws the signal's
 * reason, unless the answer is whole by then and only its usage was waited for. Usage that was read before a failure or
 * an abort is yielded before it is thrown.
 */
export interface ModelProvider {
  readonly name: string;
  models(): readonly ModelInfo[];
  stream(request: ModelRequest, signal: AbortSignal, progress?: RequestProgress): AsyncIterable<readonly ModelEvent[]>;
}
