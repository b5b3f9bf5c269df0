import { createParser } from 'eventsource-parser';
import type { ModelEvent, ModelUsage } from '../../contracts/model-event.ts';
import { beyondJsonBounds } from '../../kernel/json-bounds.ts';
import { endsInHalf, storable } from '../../kernel/text.ts';
import { type CallReader, createCallReader } from './tool-calls.ts';
import { toUsage } from './usage.ts';

type FinishReason = Extract<ModelEvent, { kind: 'finish' }>['reason'];
type Delta = Extract<ModelEvent, { text: string }>;
/** A delta that may grow, of one shape whatever it is: `index` is that of a call, and 0 for whatever is none. */
type Run = { kind: Delta['kind']; index: number; text: string; pieces: number | undefined };

/** What is wrong with a stream, before it is put in words. `error` carries the provider's own object. */
export type StreamFault = { kind: 'garbage' } | { kind: 'error'; body: unknown };

/** A translation under way: bytes of the stream in, events out. */
export type Translation = {
  /** Translates what one read of the network held, as one batch; neighbouring deltas of a kind are one event. */
  feed(text: string): ModelEvent[];
  /** The same for the end of the body: an event that broke off in its middle is dropped, not called garbage. */
  feedLast(text: string): ModelEvent[];
  /** The last events, once the stream is over: what was held back, the usage, the reason. */
  end(): ModelEvent[];
  /** The usage that was read, also of a stream that did not come to its end; null where there was none. */
  usage(): ModelUsage | null;
  /** Whether the usage came with the reason or after it, so that no other is to be waited for. */
  isCounted(): boolean;
  /** UTF-16 units of all that the model wrote: text, reasoning, refusals, names and arguments of calls. */
  units(): number;
  /** Why the model ended; null until it says so. */
  reason(): FinishReason | null;
  /** Whether the stream said that it is over. */
  isDone(): boolean;
  /** What is wrong; nothing more is read once it is set. Events that came before it were given out. */
  fault(): StreamFault | null;
  /** Whether the last `feed` brought something of the answer, not just signs of life. */
  progressed(): boolean;
};

type State = {
  events: ModelEvent[];
  /** Deltas of one kind that follow each other; between feeds only half a surrogate pair is left in it. */
  run: Run | null;
  calls: CallReader;
  usage: ModelUsage | null;
  isCounted: boolean;
  units: number;
  /** How often the kind of delta changed, or the call. */
  changes: number;
  reason: FinishReason | null;
  isDescribed: boolean;
  isDone: boolean;
  isLast: boolean;
  progressed: boolean;
  fault: StreamFault | null;
  /** Characters fed since the parser last gave an event. */
  unparsed: number;
};

/** One event of a stream is a few hundred bytes. What runs on for so long without an end is no event stream. */
const maxEventLength = 1_048_576;

/** UTF-16 units of an answer, several times what any model may write in one; a worker holds all of it, and each reader gets all of it. */
const maxUnits = 4_000_000;
/** Deltas of one answer that continue no other of its read: each is an event of its own. An answer with a thousand calls has as many. */
const maxChanges = 2_000;

/** An event of a few hundred bytes needs no look before it is parsed. A megabyte of brackets held the event loop for a tenth of a second. */
const maxUnchecked = 16_384;
const bounds = { depth: 128, values: 50_000 };

export function createTranslation(): Translation {
  const state: State = {
    events: [],
    run: null,
    calls: createCallReader(),
    usage: null,
    isCounted: false,
    units: 0,
    changes: 0,
    reason: null,
    isDescribed: false,
    isDone: false,
    isLast: false,
    progressed: false,
    fault: null,
    unparsed: 0,
  };
  const settle = () => {
    state.unparsed = 0;
  };
  const parser = createParser({
    onEvent({ event, data }) {
      settle();
      onData(state, data, event);
    },
    onComment: settle,
  });
  const feed = (text: string): ModelEvent[] => {
    state.progressed = false;
    state.unparsed += text.length;
    parser.feed(text);
    if (state.unparsed > maxEventLength) state.fault ??= { kind: 'garbage' };
    if (state.run) closeRun(state, true);
    return takeEvents(state);
  };
  return {
    feed,
    feedLast(text) {
      state.isLast = true;
      return feed(`${text}\n\n`);
    },
    end() {
      if (state.run) closeRun(state, false);
      if (state.usage) state.events.push({ kind: 'usage', usage: state.usage });
      if (state.reason) state.events.push({ kind: 'finish', reason: state.reason });
      return takeEvents(state);
    },
    usage: () => state.usage,
    isCounted: () => state.isCounted,
    units: () => state.units,
    reason: () => state.reason,
    isDone: () => state.isDone,
    fault: () => state.fault,
    progressed: () => state.progressed,
  };
}

function takeEvents(state: State): ModelEvent[] {
  const { events } = state;
  state.events = [];
  return events;
}

/** The fields we read; servers send many more. Nothing is taken for granted: a compatible server may send anything. */
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

function onData(state: State, data: string, event: string | undefined): void {
  if (state.isDone || state.fault) return;
  if (data.trim() === '[DONE]') {
    state.isDone = true;
    return;
  }
  const chunk = parse(data);
  if (!chunk) state.fault = state.isLast ? null : { kind: 'garbage' };
  else if (chunk.error || event === 'error' || chunk.object === 'error') {
    readUsage(state, chunk);
    state.fault = { kind: 'error', body: chunk.error || chunk };
  } else onChunk(state, chunk);
}

function parse(data: string): Chunk | null {
  if (data.length > maxUnchecked && beyondJsonBounds(Buffer.from(data), bounds)) return null;
  try {
    const value: unknown = JSON.parse(data);
    return typeof value === 'object' && value !== null ? value : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function onChunk(state: State, chunk: Chunk): void {
  if (!state.isDescribed) describe(state, chunk);
  const choice = firstOf(chunk.choices);
  if (choice) onChoice(state, choice);
  readUsage(state, chunk);
  if (state.units > maxUnits || state.changes > maxChanges) state.fault ??= { kind: 'garbage' };
}

/** Of several answers in one stream the one that was asked for, which is number 0, wherever it stands; servers may leave the number out. */
function firstOf(choices: unknown): Choice | undefined {
  if (!Array.isArray(choices)) return undefined;
  for (const choice of choices as (Choice | null | undefined)[])
    if (choice && (choice.index === 0 || choice.index == null || Number(choice.index) === 0)) return choice;
  return undefined;
}

/** Some servers count in every chunk: the last count is the one. After the reason it is what is waited for. */
function readUsage(state: State, { usage, x_groq: groq }: Chunk): void {
  const given = usage ?? groq?.usage;
  if (!given) return;
  const read = toUsage(given);
  // Zeros after a count are none.
  if (!read || (state.usage && read.inputTokens + read.outputTokens === 0)) return;
  state.usage = read;
  if (!state.reason || state.isCounted) return;
  state.isCounted = true;
  state.progressed = true;
}

function onChoice(state: State, choice: Choice): void {
  const { delta } = choice;
  if (delta) {
    // "reasoning_content" is what DeepSeek and vLLM call it, "reasoning" OpenRouter and Ollama; a server that sends both means one.
    append(state, 'reasoning-delta', delta.reasoning_content ?? delta.reasoning);
    append(state, 'text-delta', delta.content);
    append(state, 'refusal-delta', delta.refusal);
    if (delta.tool_calls) onCalls(state, delta.tool_calls);
  }
  if (typeof choice.finish_reason === 'string' && choice.finish_reason) onFinish(state, choice.finish_reason);
}

function describe(state: State, { id, model }: Chunk): void {
  const responseId = typeof id === 'string' && id ? storable(id).slice(0, 200) : null;
  const name = typeof model === 'string' && model ? storable(model).slice(0, 100) : null;
  if (responseId === null && name === null) return;
  state.isDescribed = true;
  state.events.push({ kind: 'response', responseId, model: name });
}

function onCalls(state: State, given: unknown): void {
  for (const event of state.calls(given)) {
    if (event.kind === 'tool-arguments') append(state, event.kind, event.text, event.index);
    else begin(state, event);
  }
}

/** Whatever is no text says nothing. */
function append(state: State, kind: Delta['kind'], text: unknown, index = 0): void {
  if (typeof text !== 'string' || text === '') return;
  state.progressed = true;
  state.units += text.length;
  if (state.run?.kind === kind && state.run.index === index) {
    state.run.text += text;
    state.run.pieces = (state.run.pieces ?? 1) + 1;
    return;
  }
  if (state.run) {
    closeRun(state, false);
    state.changes += 1;
  }
  state.run = { kind, index, text, pieces: undefined };
}

function begin(state: State, call: Extract<ModelEvent, { kind: 'tool-call' }>): void {
  state.progressed = true;
  state.units += call.name.length;
  if (state.run) closeRun(state, false);
  state.run = null;
  state.events.push(call);
}

/** Gives the run out as one storable delta. A half pair at its end waits for the next delta where one may come. */
function closeRun(state: State, mayContinue: boolean): void {
  const run = state.run!;
  const waits = mayContinue && endsInHalf(run.text);
  const whole = waits ? run.text.slice(0, -1) : run.text;
  if (whole) state.events.push(toDelta(run, storable(whole)));
  state.run = waits ? { ...run, text: run.text.slice(-1), pieces: 0 } : null; // the piece was counted already
}

const toDelta = ({ kind, index, pieces }: Run, text: string): Delta =>
  kind === 'tool-arguments' ? { kind, index, text, pieces } : { kind, text, pieces };

const reasons: Record<string, FinishReason> = {
  stop: 'STOP',
  length: 'LENGTH',
  max_tokens: 'LENGTH',
  tool_calls: 'TOOL_CALLS',
  function_call: 'TOOL_CALLS',
  content_filter: 'CONTENT_FILTER',
};

/** What compatible servers call an end that is none: the answer broke off. */
const breakdowns = new Set(['error', 'abort', 'insufficient_system_resource']);

/** An unknown word is still the word of a model that came to its end. */
function onFinish(state: State, word: string): void {
  state.progressed = true;
  if (breakdowns.has(word)) state.fault = { kind: 'error', body: { message: `finish_reason: ${word}` } };
  else state.reason ??= reasons[word] ?? (word.startsWith('content_filter') ? 'CONTENT_FILTER' : 'STOP');
}
