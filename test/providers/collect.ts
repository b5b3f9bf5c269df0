import type { ModelEvent } from '../../src/contracts/model-event.ts';
import { textMessage } from '../../src/contracts/model-message.ts';
import type { ModelProvider, ModelRequest } from '../../src/contracts/model-provider.ts';
import { createProviders, type OpenAIConfig, type Providers } from '../../src/providers/index.ts';

const openaiConfig: OpenAIConfig = {
  apiKey: 'sk-canary',
  baseUrl: null,
  organization: null,
  defaultModel: 'm-1',
  models: [],
  maxTokens: null,
  temperature: null,
  firstTokenTimeoutMs: 5_000,
  idleTimeoutMs: 5_000,
  scripted: false,
};

export const providersFor = (config: Partial<OpenAIConfig>): Providers =>
  createProviders({ openai: { ...openaiConfig, ...config } });

/** The adapter, speaking to the server at `baseUrl`. */
export const providerAt = (baseUrl: string, config: Partial<OpenAIConfig> = {}): ModelProvider => {
  const { resolve, defaultModel } = providersFor({ baseUrl, ...config });
  return resolve(defaultModel).provider;
};

export const ask = (content: string, rest: Partial<ModelRequest> = {}): ModelRequest => ({
  model: 'm-1',
  messages: [textMessage('user', content)],
  generation: {},
  ...rest,
});

export type ContextMessage = {
  batches: (readonly ModelEvent[])[];
  events: ModelEvent[];
  /** The text deltas, joined. */
  text: string;
  kinds: string[];
  error: unknown;
};

/** All that a call says, and the error that it ends with. */
export async function hear(
  provider: ModelProvider,
  request: ModelRequest,
  signal = new AbortController().signal,
): Promise<ContextMessage> {
  const batches: (readonly ModelEvent[])[] = [];
  let error: unknown = null;
  try {
    for await (const batch of provider.stream(request, signal)) batches.push(batch);
  } catch (caught) {
    error = caught;
  }
  const events = batches.flat();
  const text = textOf(events, 'text-delta');
  return { batches, events, text, kinds: [...new Set(events.map(({ kind }) => kind))], error };
}

export const textOf = (events: readonly ModelEvent[], kind: ModelEvent['kind']): string =>
  events.map((event) => (event.kind === kind && 'text' in event ? event.text : '')).join('');
