import type { ServerResponse } from 'node:http';
import { breathe, pause } from '../../kernel/async.ts';
import {
  answerTo,
  asideOf,
  filler,
  promptTokens,
  type ScriptedMessage,
  stamp,
  stampNow,
  summaryFor,
  titleFor,
  wordsOf,
} from './answer.ts';
import { type Step, stepOf } from './script.ts';

/** One answer to be played. */
export type Recital = {
  id: string;
  model: string;
  messages: readonly ScriptedMessage[];
  maxTokens: number | null;
  /** Whether tools may be called. */
  mayCall: boolean;
  steps: readonly Step[];
  /** Whether each token is to say when it left. */
  isStamped: boolean;
  tokensPerSecond: number;
  /** Aborted when the client is gone or the server closes: every wait ends then. */
  signal: AbortSignal;
  /** Resolves when the held answers are released. */
  held(): Promise<void>;
  /** Told how many chunks went out. */
  sent(chunks: number): void;
  /** Is given the counts that go out. */
  counted(usage: object): void;
};

type Field = 'content' | 'reasoning_content' | 'refusal';
/** A piece of an answer, as the `delta` of a chunk has it. */
type Delta =
  | { field: Field; text: string }
  | {
      field: 'tool_calls';
      call: { index: number; id?: string; type?: 'function'; function: { name?: string; arguments: string } };
    };
/** What an answer consists of. */
export type Part = { deltas: Delta[]; reason: string; usage: object };

/** So many deltas go out in one write when there is no pace to keep. */
const burst = 64;

const thought = 'The user wants an answer. I have a script for that, so I shall follow it to the letter.';
const refusal = 'I am sorry, but my script does not let me answer this.';

/** The whole answer, before anything of it is sent. */
export function composeReply({
  id,
  messages,
  maxTokens,
  mayCall,
  steps,
}: Pick<Recital, 'id' | 'messages' | 'maxTokens' | 'mayCall' | 'steps'>): Part {
  const has = (kind: Step['do']) => stepOf(steps, kind) !== undefined;
  const thoughts = has('reasoning') ? wordsOf(thought) : [];
  const calls = mayCall ? callsOf(id, steps) : [];
  if (calls.length > 0) {
    const deltas = [
      ...toDeltas('reasoning_content', thoughts),
      ...toDeltas('content', wordsOf(stepOf(steps, 'say')?.text ?? '')),
      ...calls,
    ];
    return { deltas, reason: has('length') ? 'length' : 'tool_calls', usage: usageOf(messages, deltas) };
  }
  const words = wordsFor(messages, steps);
  const cut = has('length') || has('filter');
  const room = Math.min(cut ? Math.ceil(words.length / 2) : words.length, maxTokens ?? words.length);
  const field: Field = has('refuse') ? 'refusal' : 'content';
  const deltas = [...toDeltas('reasoning_content', thoughts), ...toDeltas(field, words.slice(0, room))];
  return {
    deltas,
    reason: has('filter') ? 'content_filter' : room < words.length || cut ? 'length' : 'stop',
    usage: usageOf(messages, deltas),
  };
}

/**
 * Calls as servers stream them: first the name, then the arguments in pieces. Calls that are made side by side come one
 * after another.
 */
const callsOf = (id: string, steps: readonly Step[]): Delta[] =>
  steps
    .filter((step): step is Extract<Step, { arguments: string }> => step.do === 'call' || step.do === 'loop')
    .flatMap(({ name, arguments: text }, index): Delta[] => [
      {
        field: 'tool_calls',
        call: { index, id: `call-${id}-${index + 1}`, type: 'function', function: { name, arguments: '' } },
      },
      ...(text.match(/[\s\S]{1,12}/g) ?? []).map(
        (piece): Delta => ({ field: 'tool_calls', call: { index, function: { arguments: piece } } }),
      ),
    ]);

const toDeltas = (field: Field, words: string[]): Delta[] => words.map((text) => ({ field, text }));

function wordsFor(messages: readonly ScriptedMessage[], steps: readonly Step[]): string[] {
  if (stepOf(steps, 'refuse')) return wordsOf(refusal);
  if (stepOf(steps, 'surrogates')) return ['Half ', '\ud83d', '\ude80', ' and half.'];
  const stamps = stepOf(steps, 'stamps');
  return stamps ? Array<string>(stamps.count).fill(stamp) : wordsOf(textFor(messages, steps));
}

function asideFor(messages: readonly ScriptedMessage[]): string | null {
  const aside = asideOf(messages);
  return aside && (aside === 'title' ? titleFor(messages) : summaryFor(messages));
}

const textFor = (messages: readonly ScriptedMessage[], steps: readonly Step[]): string =>
  stepOf(steps, 'say')?.text ??
  (stepOf(steps, 'tokens') ? filler(stepOf(steps, 'tokens')!.count) : (asideFor(messages) ?? answerTo(messages)));

function usageOf(messages: readonly ScriptedMessage[], deltas: Delta[]): object {
  const prompt = promptTokens(messages);
  return {
    prompt_tokens: prompt,
    completion_tokens: deltas.length,
    total_tokens: prompt + deltas.length,
    prompt_tokens_details: { cached_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: deltas.filter(({ field }) => field === 'reasoning_content').length },
  };
}

/** Streams the answer to its end, or to the fault that its steps ask for. */
export async function play(response: ServerResponse, recital: Recital): Promise<void> {
  const { steps, signal } = recital;
  const part = composeReply(recital);
  const frames = framesOf(recital, part);
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
    'x-request-id': recital.id,
  });
  response.flushHeaders();
  if (stepOf(steps, 'empty')) return void response.end();
  const wait = stepOf(steps, 'pause')?.ms;
  if (wait) await pause(wait, signal);
  if (countingOf(steps).first) response.write(countsOf(recital, part));
  const fault = faultOf(steps, frames.length);
  await send(response, recital, frames.slice(0, fault?.after ?? frames.length));
  if (signal.aborted) return;
  if (fault) return fault.strike(response, signal);
  await finish(response, recital, part);
}

function framesOf({ id, model }: Recital, { deltas }: Part): string[] {
  const head =
    'data: ' +
    `{"id":"${id}","object":"chat.completion.chunk","created":0,"model":${JSON.stringify(model)},` +
    '"choices":[{"index":0,"delta":{';
  const first = `${head}"role":"assistant",`;
  const said = (delta: Delta) => JSON.stringify(delta.field === 'tool_calls' ? [delta.call] : delta.text);
  return deltas.map((delta, at) => `${at ? head : first}"${delta.field}":${said(delta)}},"finish_reason":null}]}\n\n`);
}

/**
 * Sends the frames; where the answer is to be held, its first one goes out alone and the others wait for the release.
 */
async function send(response: ServerResponse, recital: Recital, frames: string[]): Promise<void> {
  const rate = stepOf(recital.steps, 'speed')?.tokensPerSecond ?? recital.tokensPerSecond;
  const holds = stepOf(recital.steps, 'hold') !== undefined && frames.length > 0;
  if (holds) {
    // Asked for before the delta goes out: who sees the delta may release at once.
    const released = recital.held();
    put(response, recital, frames.slice(0, 1));
    await released;
  }
  await sendAtPace(response, recital, holds ? frames.slice(1) : frames, rate);
}

/**
 * Those frames that are due go out in one write. Resolves when all are out or the client is gone. No promise and no
 * listener for each token: a model that costs more than what it is there to try would be what is measured.
 */
function sendAtPace(response: ServerResponse, recital: Recital, frames: string[], rate: number): Promise<void> {
  const { signal } = recital;
  const start = Date.now();
  let at = 0;
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    const msUntilNext = () => Math.max(1, start + (at * 1_000) / rate - Date.now());
    const dueNow = () => (rate > 0 ? Math.floor(((Date.now() - start) * rate) / 1_000) + 1 - at : burst);
    function go(): void {
      if (signal.aborted) return;
      // None is due where the clock was set back.
      const batch = frames.slice(at, at + Math.max(0, Math.min(dueNow(), burst)));
      at += batch.length;
      const hasRoom = batch.length === 0 || put(response, recital, batch);
      if (at === frames.length) end();
      else if (!hasRoom) response.once('drain', go);
      else if (rate > 0) timer = setTimeout(go, msUntilNext());
      else setImmediate(go);
    }
    function end(): void {
      clearTimeout(timer);
      response.off('drain', go);
      signal.removeEventListener('abort', end);
      resolve();
    }
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', end, { once: true });
    go();
  });
}

/** Says whether the connection takes more at once. */
function put(response: ServerResponse, { isStamped, sent }: Recital, frames: string[]): boolean {
  const text = frames.length === 1 ? frames[0]! : frames.join('');
  sent(frames.length);
  return response.write(isStamped ? text.replaceAll(stamp, stampNow()) : text);
}

/** What was written goes out in the next tick; a connection cut before it would lose it. */
async function cutOff(response: ServerResponse): Promise<void> {
  await breathe();
  response.destroy();
}

type Fault = { after: number; strike(response: ServerResponse, signal: AbortSignal): Promise<void> | void };

function faultOf(steps: readonly Step[], length: number): Fault | null {
  const cut = stepOf(steps, 'cut');
  if (cut) return { after: Number(cut.after) || 0, strike: cutOff };
  const stall = stepOf(steps, 'stall');
  if (stall) return { after: Number(stall.after) || 0, strike: (_, signal) => goneOf(signal) };
  const error = stepOf(steps, 'error');
  const overload =
    'data: {"error":{"message":"The server is overloaded.","type":"server_error","code":"server_error"}}\n\n';
  if (error) return { after: error.after, strike: (response) => void response.end(overload) };
  if (stepOf(steps, 'garbage'))
    return { after: Math.min(3, length), strike: (response) => void response.end('data: {"choices":[{"del\n\n') };
  const noFinish = stepOf(steps, 'no-finish');
  return noFinish
    ? { after: length, strike: (response) => void response.end(noFinish.done ? 'data: [DONE]\n\n' : '') }
    : null;
}

/** Resolves when the client is gone. */
export const goneOf = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) =>
    signal.aborted ? resolve() : signal.addEventListener('abort', () => resolve(), { once: true }),
  );

async function finish(response: ServerResponse, recital: Recital, part: Part): Promise<void> {
  const { steps, signal, sent } = recital;
  const end = chunkOf(recital, { choices: [{ index: 0, delta: {}, finish_reason: part.reason }] });
  const { lateMs } = countingOf(steps);
  if (lateMs !== undefined) {
    response.write(end);
    await pause(lateMs, signal);
    if (signal.aborted) return;
  }
  const counts = stepOf(steps, 'no-usage') ? '' : countsOf(recital, part);
  sent(counts ? 2 : 1);
  response.end(`${lateMs === undefined ? end : ''}${counts}data: [DONE]\n\n`);
}

const chunkOf = ({ id, model }: Recital, rest: object): string =>
  `data: ${JSON.stringify({ id, object: 'chat.completion.chunk', created: 0, model, ...rest })}\n\n`;

type Counting = Extract<Step, { do: 'usage' }>;

/** When it says which counts: what several steps say of that together. */
const countingOf = (steps: readonly Step[]): Partial<Counting> =>
  Object.assign({}, ...steps.filter((step): step is Counting => step.do === 'usage'));

/** The counts, which whoever keeps the journal of calls is given too. */
function countsOf(recital: Recital, { usage }: Part): string {
  const said = countingOf(recital.steps).counts ?? usage;
  recital.counted(said);
  return chunkOf(recital, { choices: [], usage: said });
}
