import type { ModelMessage } from '../../contracts/model-message.ts';
import type { ModelRequest } from '../../contracts/model-provider.ts';
import { isOpen, type ToolCallRecord } from '../../contracts/tool.ts';
import { type Call, tokensOf } from '../call.ts';
import type { EnginePorts } from '../ports.ts';
import type { StreamedCall } from '../step.ts';
import type { Transcript } from '../transcript.ts';
import { perform, resultIndexOf } from './perform.ts';
import type { ResolvedCall, Steering } from './ports.ts';
import { resolveCalls } from './resolve-calls.ts';
import { toModelMessages } from './to-messages.ts';

type Ports = Pick<EnginePorts, 'emit' | 'flushed' | 'reportPoint' | 'clock' | 'tools'>;

/** What an earlier worker left of the calls of a turn. */
export type LeftCalls = {
  calls: readonly ToolCallRecord[];
  /** What the turn was told while it ran. */
  steering: readonly Steering[];
  /** Tokens that it has cost. */
  spent: number;
};

/** The calls of one turn, from the first to the last, also those that an earlier worker left. */
export function createToolRun(transcript: Transcript, ports: Ports, recovered: LeftCalls) {
  const { tools, clock } = ports;
  const { limits } = tools;
  let calls = [...recovered.calls];
  let steering = recovered.steering;
  let spent = recovered.spent;
  const start = clock.elapsed();

  const change = (id: string, facts: Partial<ToolCallRecord>): void => {
    calls = calls.map((call) => (call.id === id ? { ...call, ...facts } : call));
  };
  const rounds = (): number => new Set(calls.filter(({ status }) => status !== 'CANCELLED').map(({ step }) => step)).size;
  const isSpent = (): boolean =>
    rounds() >= limits.rounds || calls.length >= limits.calls || clock.elapsed() - start >= limits.wallMs || spent >= limits.tokens;

  async function make(call: ToolCallRecord, signal: AbortSignal): Promise<void> {
    const outcome = await perform(call, transcript, ports, signal);
    if (!outcome) return;
    const isGood = outcome.status === 'SUCCEEDED';
    change(call.id, { status: outcome.status, result: isGood ? outcome.result : null, errorMessage: isGood ? null : outcome.message });
  }

  return {
    /** What the turn has said and learned in the steps that are finished. */
    get messages(): ModelMessage[] {
      return toModelMessages(transcript.finished, calls, steering);
    },

    /** What the model may call now. When the limits are reached, it is asked for its answer and nothing else. */
    get offer(): Pick<ModelRequest, 'tools' | 'toolChoice'> {
      if (tools.offered.length === 0) return {};
      // What must be called is called once: else there would never be an answer.
      const chosen = tools.choice && (typeof tools.choice !== 'string' || tools.choice === 'required') && rounds() > 0 ? 'auto' : tools.choice;
      return { tools: tools.offered, toolChoice: isSpent() ? 'none' : chosen };
    },

    get isSpent(): boolean {
      return isSpent();
    },

    /** How many calls of the next answer are stored: those that the turn may still make. One always is, so that it shows. */
    get room(): number {
      return Math.max(limits.calls - calls.length, 1);
    },

    /** Stores a call that the model begins, and tells of it. */
    async begin({ callId, name }: { callId: string; name: string }, step: number): Promise<Omit<StreamedCall, 'text'>> {
      const number = calls.reduce((most, call) => Math.max(most, call.number), 0) + 1;
      const isFree = callId !== '' && calls.every((call) => call.callId !== callId);
      const begun = { number, step, callId: isFree ? callId : `call_${step}_${number}`, toolName: name, partIndex: transcript.call(number) };
      // Known before it is stored: calls may be begun side by side, and numbers are given once.
      const record: ToolCallRecord = { ...begun, ...unwritten, id: '' };
      calls.push(record);
      const id = await tools.begin(begun);
      calls = calls.map((call) => (call === record ? { ...record, id } : call));
      return { id, number, name, partIndex: begun.partIndex };
    },

    /**
     * The model is done with a step that calls tools: what it asks for is judged and stored. `hasMore`: it asked for more than is stored, and is
     * to know so. Returns the number of the next attempt.
     */
    async commitToolCalls(call: Call, streamed: readonly StreamedCall[], hasMore: boolean): Promise<number> {
      transcript.finish();
      spent += tokensOf(call);
      const earlier = calls.length - streamed.length;
      const deps = { ...tools, hasMore, remaining: limits.calls - earlier, resultIndexOf: (number: number) => resultIndexOf(transcript, number) };
      const resolved = await resolveCalls(streamed, deps);
      const next = await tools.commitToolCalls(call, transcript.finished, resolved);
      for (const one of resolved) change(one.id, factsOf(one));
      ports.reportPoint('calls-stored');
      return next;
    },

    /** Between steps: what the turn is told meanwhile is read before the next. */
    async listen(): Promise<void> {
      if (transcript.finished.length > 0) steering = await tools.steered(transcript.finished.length);
    },

    /** A step is done again: its calls are nothing any more. */
    dropped(step: number): void {
      calls = calls.map((call) => (call.step === step ? { ...call, status: 'CANCELLED' } : call));
    },

    /** Makes the calls that can be made, side by side. True where the turn waits for somebody now, and is in nobody's hands. */
    async perform(signal: AbortSignal): Promise<boolean> {
      while (!signal.aborted) {
        const due = calls.filter(({ status }) => status === 'READY' || status === 'RUNNING');
        await Promise.all(due.map((call) => make(call, signal)));
        if (signal.aborted || !calls.some(({ status }) => isOpen(status))) break;
        await ports.flushed();
        const now = await tools.wait();
        if (!now) return true;
        calls = now;
      }
      return false;
    },
  };
}

const unwritten = {
  replay: 'READ_ONLY',
  argumentsText: '',
  arguments: null,
  isEdited: false,
  status: 'STREAMING_ARGUMENTS',
  attempts: 0,
  result: null,
  errorMessage: null,
} as const;

const factsOf = ({ argumentsText, arguments: given, status, replay, outcome }: ResolvedCall): Partial<ToolCallRecord> => ({
  ...{ argumentsText, arguments: given, status, replay },
  errorMessage: outcome && outcome.status !== 'SUCCEEDED' ? outcome.message : null,
});

export type ToolRun = ReturnType<typeof createToolRun>;
