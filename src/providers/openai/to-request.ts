import type { OpenAI } from 'openai';
import type { Generation, ModelRequest } from '../../contracts/model-provider.ts';
import { describeModel } from '../catalog.ts';

type Params = OpenAI.ChatCompletionCreateParamsStreaming;

/** What an installation sets for requests that say nothing. */
export type GenerationDefaults = { maxTokens: number | null; temperature: number | null };

/** A request in OpenAI's words. What is left out is left to the provider. */
export function toRequest({ model, messages, generation }: ModelRequest, defaults: GenerationDefaults): Params {
  return {
    model,
    messages: messages.map(({ role, content }) => ({ role, content })),
    stream: true,
    stream_options: { include_usage: true },
    ...(describeModel(model).reasons ? forReasoning(generation, defaults) : forOthers(generation, defaults)),
  };
}

/** Models that reason answer 400 to `max_tokens` and to every knob of the sampling. */
function forReasoning({ maxTokens }: Generation, defaults: GenerationDefaults): Partial<Params> {
  return given({ max_completion_tokens: maxTokens ?? defaults.maxTokens ?? undefined });
}

/** `max_tokens`, though old, is what every compatible server understands. */
function forOthers({ maxTokens, temperature, topP, frequencyPenalty, presencePenalty, stop }: Generation, defaults: GenerationDefaults) {
  return given({
    max_tokens: maxTokens ?? defaults.maxTokens ?? undefined,
    temperature: temperature ?? defaults.temperature ?? undefined,
    top_p: topP,
    frequency_penalty: frequencyPenalty,
    presence_penalty: presencePenalty,
    stop: stop?.length ? stop : undefined,
  });
}

const given = (params: Partial<Params>): Partial<Params> =>
  Object.fromEntries(Object.entries(params).filter(([, value]) => value !== undefined)) as Partial<Params>;
