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
export class ToolRun {
  private readonly transcript: Transcript;
  private readonly ports: Ports;
  private readonly start: number;
  private calls: ToolCallRecord[];
  private steering: readonly Steering[];
  private spent: number;

  constructor(transcript: Transcript, ports: Ports, { calls, steering, spent }: LeftCalls) {
    this.transcript = transcript;
    this.ports = ports;
    this.calls = [...calls];
    this.steering = steering;
    this.spent = spent;
    this.start = ports.clock.elapsed();
  }

  /** What the turn has said and learned in the steps that are finished. */
  get messages(): ModelMessage[] {
    return toModelMessages(this.transcript.finished, this.calls, this.steering);
  }

  /** What the model may call now. When the limits are reached, it is asked for its answer and nothing else. */
  get offer(): Pick<ModelRequest, 'tools' | 'toolChoice'> {
    const { offered, choice } = this.ports.tools;
    if (offered.length === 0) return {};
    // What must be called is called once: else there would never be an answer.
    const chosen = choice && (typeof choice !== 'string' || choice === 'required') && this.rounds > 0 ? 'auto' : choice;
    return { tools: offered, toolChoice: this.isSpent ? 'none' : chosen };
  }

  /** Whether a limit is reached. */
  get isSpent(): boolean {
    const { limits } = this.ports.tools;
    const elapsedMs = this.ports.clock.elapsed() - this.start;
    return (
      this.rounds >= limits.rounds ||
      this.calls.length >= limits.calls ||
      elapsedMs >= limits.wallMs ||
      this.spent >= limits.tokens
    );
  }

  /**
   * How many calls of the next answer are stored: those that the turn may still make. One always is, so that it shows.
   */
  get room(): number {
    return Math.max(this.ports.tools.limits.calls - this.calls.length, 1);
  }

  /** Stores a call that the model begins, and tells of it. */
  async begin({ callId, name }: { callId: string; name: string }, step: number): Promise<Omit<StreamedCall, 'text'>> {
    const number = this.calls.reduce((most, call) => Math.max(most, call.number), 0) + 1;
    const isFree = callId !== '' && this.calls.every((call) => call.callId !== callId);
    const partIndex = this.transcript.call(number);
    const begun = { number, step, callId: isFree ? callId : `call_${step}_${number}`, toolName: name, partIndex };
    // Known before it is stored: calls may be begun side by side, and numbers are given once.
    const record: ToolCallRecord = { ...begun, ...unwritten, id: '' };
    this.calls.push(record);
    const id = await this.ports.tools.begin(begun);
    this.calls = this.calls.map((call) => (call === record ? { ...record, id } : call));
    return { id, number, name, partIndex };
  }

  /**
   * The model is done with a step that calls tools: what it asks for is resolved and stored. `hasMore`: it asked for
   * more than is stored, and is to know so. Returns the number of the next attempt.
   */
  async commitToolCalls(call: Call, streamed: readonly StreamedCall[], hasMore: boolean): Promise<number> {
    const { transcript, ports } = this;
    const { tools } = ports;
    transcript.finish();
    this.spent += tokensOf(call);
    const remaining = tools.limits.calls - (this.calls.length - streamed.length);
    const deps = { ...tools, hasMore, remaining, resultIndexOf: (number: number) => resultIndexOf(transcript, number) };
    const resolved = await resolveCalls(streamed, deps);
    const next = await tools.commitToolCalls(call, transcript.finished, resolved);
    for (const one of resolved) this.change(one.id, factsOf(one));
    ports.reportPoint('calls-stored');
    return next;
  }

  /** Between steps: what the turn is told meanwhile is read before the next. */
  async listen(): Promise<void> {
    const { length } = this.transcript.finished;
    if (length > 0) this.steering = await this.ports.tools.steered(length);
  }

  /** A step is done again: its calls are nothing any more. */
  dropped(step: number): void {
    this.calls = this.calls.map((call) => (call.step === step ? { ...call, status: 'CANCELLED' } : call));
  }

  /**
   * Makes the calls that can be made, side by side. True where the turn waits for somebody now, and is in nobody's
   * hands.
   */
  async perform(signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      const due = this.calls.filter(({ status }) => status === 'READY' || status === 'RUNNING');
      await Promise.all(due.map((call) => this.make(call, signal)));
      if (signal.aborted || !this.calls.some(({ status }) => isOpen(status))) break;
      await this.ports.flushed();
      const now = await this.ports.tools.wait();
      if (!now) return true;
      this.calls = now;
    }
    return false;
  }

  /** Answers of the model that have called tools. */
  private get rounds(): number {
    return new Set(this.calls.filter(({ status }) => status !== 'CANCELLED').map(({ step }) => step)).size;
  }

  private change(id: string, facts: Partial<ToolCallRecord>): void {
    this.calls = this.calls.map((call) => (call.id === id ? { ...call, ...facts } : call));
  }

  private async make(call: ToolCallRecord, signal: AbortSignal): Promise<void> {
    const outcome = await perform({ call, transcript: this.transcript, ports: this.ports, signal });
    if (!outcome) return;
    const isGood = outcome.status === 'SUCCEEDED';
    const result = isGood ? outcome.result : null;
    this.change(call.id, { status: outcome.status, result, errorMessage: isGood ? null : outcome.message });
  }
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

const factsOf = ({
  argumentsText,
  arguments: given,
  status,
  replay,
  outcome,
}: ResolvedCall): Partial<ToolCallRecord> => ({
  ...{ argumentsText, arguments: given, status, replay },
  errorMessage: outcome && outcome.status !== 'SUCCEEDED' ? outcome.message : null,
});
