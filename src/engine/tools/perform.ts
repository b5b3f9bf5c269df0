import type { AnyTool, ToolCallRecord, ToolContext, ToolOutcome, ToolProgress } from '../../contracts/tool.ts';
import { defer } from '../../kernel/async.ts';
import type { Json } from '../../kernel/json.ts';
import { beginning } from '../../kernel/text.ts';
import type { EnginePorts } from '../ports.ts';
import type { Transcript } from '../transcript.ts';
import { checkArguments } from './arguments.ts';
import { failedOutcome, toFailure, toJson, toOutcome } from './result.ts';

const defaultTimeoutMs = 30_000;
/** How often one call may be begun: a tool that takes its worker with it must not do so for ever. */
const maxRuns = 3;
/** Progress that comes faster is told in part: readers want to see it move, not every step of it. */
const progressMs = 100;

type Ports = Pick<EnginePorts, 'emit' | 'reportPoint' | 'clock' | 'tools'>;

/** A call that is made, for an answer; `signal` ends it. */
type Making = { call: ToolCallRecord; transcript: Transcript; ports: Ports; signal: AbortSignal };

/**
 * Makes one call, at most so often as its tool allows, and stores what came of it. A call that an earlier worker had
 * begun is made again with the same id, or its outcome is said to be unknown. Nothing that a tool does ends the turn;
 * null where the turn itself is to end.
 */
export async function perform(making: Making): Promise<ToolOutcome | null> {
  const { call, transcript, ports } = making;
  const outcome = await outcomeOf(making);
  if (!outcome) return null;
  await ports.tools.ended(call, outcome, resultIndexOf(transcript, call.number));
  ports.reportPoint('tool-stored');
  return outcome;
}

async function outcomeOf(making: Making): Promise<ToolOutcome | null> {
  const { call, ports } = making;
  // What it was when it was begun counts, whatever the tools of this process are.
  if (call.status === 'RUNNING' && call.replay === 'NEVER_REPLAY') return unknownOutcome(call.toolName);
  const tool = ports.tools.find(call.toolName);
  if (!tool || !('execute' in tool)) return failedOutcome(`The tool ${call.toolName} is not there any more.`);
  if (call.status === 'RUNNING' && call.attempts >= maxRuns) return tooOften(call);
  return run(tool, making);
}

type Runnable = Extract<AnyTool, { execute: unknown }>;

export const resultIndexOf = ({ finished }: Pick<Transcript, 'finished'>, number: number): number =>
  finished.findIndex((part) => part.type === 'tool-result' && part.call === number);

/** A tool that takes its worker with it again and again. Of one with an effect nobody knows whether it had it. */
const tooOften = ({ toolName, attempts, replay }: ToolCallRecord): ToolOutcome =>
  replay === 'READ_ONLY'
    ? failedOutcome(`The tool ${toolName} was begun ${attempts} times and never came to its end.`)
    : unknownOutcome(toolName);

const unknownOutcome = (toolName: string): ToolOutcome => ({
  status: 'OUTCOME_UNKNOWN',
  code: 'TOOL_OUTCOME_UNKNOWN',
  message:
    `Whether ${toolName} had its effect is not known: it was interrupted. Do not call it again before somebody has ` +
    'looked.',
});

async function run(tool: Runnable, making: Making): Promise<ToolOutcome | null> {
  const { call, ports, signal } = making;
  const { tools, reportPoint } = ports;
  const read = await checkArguments(tool, call.arguments ?? {}, tools);
  if ('fault' in read) return failedOutcome(read.fault);
  // A turn that is to end begins nothing any more; what it has begun is begun durably first.
  if (signal.aborted) return null;
  const attempt = call.attempts + 1;
  await tools.started(call, attempt);
  reportPoint('tool-started');
  if (signal.aborted) return null;
  const end = openEnd(tool, signal);
  const { context, close } = openContext({ ...making, signal: end.signal }, attempt);
  try {
    const given = tools.watch(call, async () => tool.execute(read.input, context));
    // What comes of it after its time nobody waits for.
    given.catch(() => {});
    const value = await Promise.race([given, end.over]);
    if (value === stopped) return null;
    reportPoint('tool-done');
    return value === late ? tooLate(tool) : await toOutcome(value, tool, tools.json);
  } catch (error) {
    if (signal.aborted) return null;
    tools.onFault(error, call);
    return toFailure(error, tool.name);
  } finally {
    end.close();
    await close();
  }
}

const late = Symbol('late');
const stopped = Symbol('stopped');

/** A tool with an effect may have had it when its time was up. */
const tooLate = ({ name, replay, timeoutMs = defaultTimeoutMs }: Runnable): ToolOutcome =>
  replay === 'NEVER_REPLAY'
    ? unknownOutcome(name)
    : failedOutcome(`The tool ${name} did not answer within ${timeoutMs} ms.`);

/** When a call is not waited for any longer, though its tool may not listen. */
function openEnd({ timeoutMs = defaultTimeoutMs }: Runnable, signal: AbortSignal) {
  const abort = new AbortController();
  const { promise, resolve } = defer<typeof late | typeof stopped>();
  const endWith = (how: typeof late | typeof stopped) => {
    resolve(how);
    abort.abort(how === late ? new Error('The time of this call is up.') : new Error('The turn is stopped.'));
  };
  const stop = () => endWith(stopped);
  const timer = setTimeout(() => endWith(late), timeoutMs);
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  return {
    signal: abort.signal,
    over: promise,
    close(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    },
  };
}

/**
 * What a tool is given. Once it is closed, whatever the tool still says or shows is not heard: the answer has gone on.
 */
function openContext({ call, transcript, ports: { tools, emit, clock }, signal }: Making, attempt: number) {
  let isOpen = true;
  let shown = 0;
  let lastAt = Number.NEGATIVE_INFINITY;
  const showing = new Set<Promise<void>>();

  async function display({ type, data }: { type: string; data: Json }): Promise<void> {
    if (!isOpen || signal.aborted) return;
    const widget = toWidget(type, data);
    const by = { call: call.number, nth: ++shown };
    if (
      transcript.finished.some((part) => part.type === 'widget' && part.by?.call === by.call && part.by.nth === by.nth)
    )
      return;
    const partIndex = transcript.keep({ ...widget, by });
    await tools.displayed(transcript.finished, {
      ...widget,
      type: 'widget-displayed',
      messageId: transcript.messageId,
      partIndex,
    });
  }

  const context: ToolContext = {
    ...tools.caller,
    ...{ turnId: tools.turnId, callId: call.id, attempt, signal },
    progress(given) {
      if (!isOpen || signal.aborted || clock.elapsed() - lastAt < progressMs) return;
      lastAt = clock.elapsed();
      // The next write of the turn tells of it.
      emit([{ type: 'tool-progress', toolCallId: call.id, ...toProgress(given) }]).catch(() => {});
    },
    display(widget) {
      const done = display(widget);
      // A tool need not wait for it; a failure that nobody waits for must not end the process.
      done.catch(() => {});
      showing.add(done);
      return done;
    },
    find: (id) => tools.lookUp(id),
  };
  return {
    context,
    async close(): Promise<void> {
      isOpen = false;
      await Promise.allSettled(showing);
    },
  };
}

const maxWidget = 65_536;

function toWidget(widgetType: string, given: unknown) {
  const read = toJson(given);
  if ('fault' in read) throw new TypeError(`The data of a widget cannot be told: ${read.fault}.`);
  const data = read.json;
  const size = Buffer.byteLength(JSON.stringify(data));
  if (!/^[\w.-]{1,100}$/.test(widgetType))
    throw new TypeError('The type of a widget must have 1 to 100 letters, digits, ".", "_" or "-".');
  if (size > maxWidget)
    throw new RangeError(`The data of a widget must have at most ${maxWidget} bytes as JSON, but has ${size}.`);
  return { type: 'widget' as const, widgetType, data };
}

/** Progress as it can be told; what is too large is left out. */
function toProgress({ progress, message, data }: ToolProgress) {
  const read = toJson(data);
  const said = 'fault' in read ? null : read.json;
  return {
    progress: typeof progress === 'number' && progress >= 0 && progress <= 1 ? progress : null,
    message: typeof message === 'string' ? beginning(message, 500) : null,
    data: JSON.stringify(said).length <= 4_096 ? said : null,
  };
}
