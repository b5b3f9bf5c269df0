import type { AnyTool, ToolCallRecord, ToolContext, ToolOutcome, ToolProgress } from '../../contracts/tool.ts';
import { defer } from '../../kernel/async.ts';
import { storable } from '../../kernel/text.ts';
import type { EnginePorts } from '../ports.ts';
import type { Transcript } from '../transcript.ts';
import { checkArguments } from './arguments.ts';
import { failed, toFailure, toJson, toOutcome } from './result.ts';

const defaultTimeoutMs = 30_000;
/** How often one call may be begun: a tool that takes its worker with it must not do so for ever. */
const maxRuns = 3;
/** Progress that comes faster is told in part: readers want to see it move, not every step of it. */
const progressMs = 100;

type Ports = Pick<EnginePorts, 'emit' | 'mark' | 'clock' | 'tools'>;

/**
 * Makes one call, at most so often as its tool allows, and stores what came of it. A call that an earlier worker had begun is made again with
 * the same id, or its outcome is said to be unknown. Nothing that a tool does ends the turn; null where the turn itself is to end.
 */
export async function perform(call: ToolCallRecord, transcript: Transcript, ports: Ports, signal: AbortSignal): Promise<ToolOutcome | null> {
  const { tools } = ports;
  const tool = tools.find(call.toolName);
  const early = tool && 'execute' in tool ? outcomeOfLost(call, tool) : failed(`The tool ${call.toolName} is not there any more.`);
  const outcome = early ?? (await run(call, tool as Runnable, transcript, ports, signal));
  if (outcome) await tools.ended(call, outcome, resultIndexOf(transcript, call.number));
  if (outcome) ports.mark('tool-stored');
  return outcome;
}

type Runnable = Extract<AnyTool, { execute: unknown }>;

export const resultIndexOf = ({ finished }: Pick<Transcript, 'finished'>, number: number): number =>
  finished.findIndex((part) => part.type === 'tool-result' && part.call === number);

/** What is to be said of a call that was begun, and of whose end nothing is known; null where it may be made (again). */
function outcomeOfLost({ status, attempts, toolName }: ToolCallRecord, { replay }: Runnable): ToolOutcome | null {
  if (status !== 'RUNNING') return null;
  if (replay === 'NEVER_REPLAY') return unknownOutcome(toolName);
  return attempts < maxRuns ? null : failed(`The tool ${toolName} was begun ${attempts} times and never came to its end.`);
}

export const unknownOutcome = (toolName: string): ToolOutcome => ({
  status: 'OUTCOME_UNKNOWN',
  code: 'TOOL_OUTCOME_UNKNOWN',
  message: `Whether ${toolName} had its effect is not known: it was interrupted. Do not call it again before somebody has looked.`,
});

async function run(call: ToolCallRecord, tool: Runnable, transcript: Transcript, ports: Ports, signal: AbortSignal): Promise<ToolOutcome | null> {
  const { tools, mark } = ports;
  const read = await checkArguments(tool, call.arguments ?? {}, tools.caller);
  if ('fault' in read) return failed(read.fault);
  await tools.started(call);
  mark('tool-started');
  const end = openEnd(tool, signal);
  const context = contextOf({ ...call, attempts: call.attempts + 1 }, transcript, ports, end.signal);
  try {
    const given = tools.watch(call, async () => tool.execute(read.input, context));
    // What comes of it after its time nobody waits for.
    given.catch(() => {});
    const value = await Promise.race([given, end.over]);
    if (value === stopped) return null;
    mark('tool-done');
    return value === late ? tooLate(tool) : await toOutcome(value, tool);
  } catch (error) {
    if (signal.aborted) return null;
    tools.onFault(error, call);
    return toFailure(error, tool.name);
  } finally {
    end.close();
  }
}

const late = Symbol('late');
const stopped = Symbol('stopped');

/** A tool with an effect may have had it when its time was up. */
const tooLate = ({ name, replay, timeoutMs = defaultTimeoutMs }: Runnable): ToolOutcome =>
  replay === 'NEVER_REPLAY' ? unknownOutcome(name) : failed(`The tool ${name} did not answer within ${timeoutMs} ms.`);

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

function contextOf(call: ToolCallRecord, transcript: Transcript, { tools, emit, clock }: Ports, signal: AbortSignal): ToolContext {
  let shown = 0;
  let lastAt = Number.NEGATIVE_INFINITY;
  return {
    ...tools.caller,
    ...{ turnId: tools.turnId, callId: call.id, attempt: call.attempts, signal },
    progress(given) {
      if (signal.aborted || clock.elapsed() - lastAt < progressMs) return;
      lastAt = clock.elapsed();
      emit([{ type: 'tool-progress', toolCallId: call.id, ...toProgress(given) }]).catch(() => {}); // the next write of the turn tells of it
    },
    async display({ type, data }) {
      if (signal.aborted) return;
      const by = { call: call.number, nth: ++shown };
      if (transcript.finished.some((part) => part.type === 'widget' && part.by?.call === by.call && part.by.nth === by.nth)) return;
      const widget = toWidget(type, data);
      const partIndex = transcript.keep({ ...widget, by });
      const event = { ...widget, type: 'widget-displayed' as const, messageId: transcript.messageId, partIndex };
      await tools.displayed(transcript.finished, event);
    },
    find: (id) => tools.lookUp(id),
  };
}

const maxWidget = 65_536;

function toWidget(widgetType: string, given: unknown) {
  const read = toJson(given);
  if ('fault' in read) throw new TypeError(`The data of a widget cannot be told: ${read.fault}.`);
  const data = read.json;
  const size = Buffer.byteLength(JSON.stringify(data));
  if (!/^[\w.-]{1,100}$/.test(widgetType)) throw new TypeError('The type of a widget must have 1 to 100 letters, digits, ".", "_" or "-".');
  if (size > maxWidget) throw new RangeError(`The data of a widget must have at most ${maxWidget} bytes as JSON, but has ${size}.`);
  return { type: 'widget' as const, widgetType, data };
}

/** Progress as it can be told; what is too large is left out. */
function toProgress({ progress, message, data }: ToolProgress) {
  const read = toJson(data);
  const said = 'fault' in read ? null : read.json;
  return {
    progress: typeof progress === 'number' && progress >= 0 && progress <= 1 ? progress : null,
    message: typeof message === 'string' ? storable(message).slice(0, 500) : null,
    data: JSON.stringify(said).length <= 4_096 ? said : null,
  };
}
