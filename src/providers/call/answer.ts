import type { ModelEvent, ModelUsage } from '../../contracts/model-event.ts';
import { endsInHalf, storable } from '../../kernel/text.ts';

export type ModelFinishReason = Extract<ModelEvent, { kind: 'finish' }>['reason'];
type Delta = Extract<ModelEvent, { text: string }>;
type CallEvent = Extract<ModelEvent, { kind: 'tool-call' }>;
/** A delta that may grow, of one shape whatever it is: `index` is that of a call, and 0 for whatever is none. */
type Run = { kind: Delta['kind']; index: number; text: string; pieces: number | undefined };

/** What is wrong with a stream, before it is put in words. `error` carries the provider's own object. */
export type StreamFault = { kind: 'garbage' } | { kind: 'error'; body: unknown };

/**
 * UTF-16 units of an answer, several times what any model may write in one; a worker holds all of it, and each reader
 * gets all of it.
 */
const maxUnits = 4_000_000;
/**
 * Deltas of one answer that continue no other of its read: each is an event of its own. An answer with a thousand calls
 * has as many.
 */
const maxChanges = 2_000;

/**
 * An answer as a translator writes it: neighbouring deltas of a kind become one, and no text is given out that cannot
 * be stored.
 */
export class ModelAnswer {
  usage: ModelUsage | null = null;
  /** Whether the usage came with the reason or after it. */
  isCounted = false;
  /** UTF-16 units of all that was written. */
  units = 0;
  reason: ModelFinishReason | null = null;
  isDone = false;
  /** Whether something of the answer came since this was last set to false. */
  progressed = false;
  fault: StreamFault | null = null;
  private events: ModelEvent[] = [];
  /** Deltas of one kind that follow each other; between batches only half a surrogate pair is in it. */
  private run: Run | null = null;
  /** How often the kind of delta changed, or the call. */
  private changes = 0;
  private isDescribed = false;

  /** Longer than any model's, or more often from one kind to another. */
  get isEndless(): boolean {
    return this.units > maxUnits || this.changes > maxChanges;
  }

  /**
   * The provider's id for the answer and the model that answers; what is no text is not known. Only the first that says
   * something counts.
   */
  describe(id: unknown, model: unknown): void {
    if (this.isDescribed) return;
    const responseId = typeof id === 'string' && id ? storable(id).slice(0, 200) : null;
    const name = typeof model === 'string' && model ? storable(model).slice(0, 100) : null;
    if (responseId === null && name === null) return;
    this.isDescribed = true;
    this.events.push({ kind: 'response', responseId, model: name });
  }

  /** More of the answer. Whatever is no text says nothing. */
  append(kind: Delta['kind'], text: unknown, index = 0): void {
    if (typeof text !== 'string' || text === '') return;
    this.progressed = true;
    this.units += text.length;
    if (this.run?.kind === kind && this.run.index === index) {
      this.run.text += text;
      this.run.pieces = (this.run.pieces ?? 1) + 1;
      return;
    }
    if (this.run) {
      this.closeRun(false);
      this.changes += 1;
    }
    this.run = { kind, index, text, pieces: undefined };
  }

  /** A call begins; its arguments are appended with its index. */
  begin(call: CallEvent): void {
    this.progressed = true;
    this.units += call.name.length;
    if (this.run) this.closeRun(false);
    this.run = null;
    this.events.push(call);
  }

  /**
   * A count of the provider's: the last one is right, but zeros after a count are none. After the reason it is what is
   * waited for.
   */
  count(usage: ModelUsage | null): void {
    if (!usage || (this.usage && usage.inputTokens + usage.outputTokens === 0)) return;
    this.usage = usage;
    if (!this.reason || this.isCounted) return;
    this.isCounted = true;
    this.progressed = true;
  }

  /** The model has ended; the first reason counts. */
  finish(reason: ModelFinishReason): void {
    this.progressed = true;
    this.reason ??= reason;
  }

  /** The provider says in the stream that the call has failed. */
  fail(body: unknown): void {
    this.fault = { kind: 'error', body };
  }

  /** What was written since the last batch. */
  batch(): ModelEvent[] {
    if (this.run) this.closeRun(true);
    return this.takeEvents();
  }

  /** The last events: what was held back, the usage, the reason. */
  end(): ModelEvent[] {
    if (this.run) this.closeRun(false);
    if (this.usage) this.events.push({ kind: 'usage', usage: this.usage });
    if (this.reason) this.events.push({ kind: 'finish', reason: this.reason });
    return this.takeEvents();
  }

  /** Gives the run out as one storable delta. A half pair at its end waits for the next delta where one may come. */
  private closeRun(mayContinue: boolean): void {
    const run = this.run!;
    const waits = mayContinue && endsInHalf(run.text);
    const whole = waits ? run.text.slice(0, -1) : run.text;
    if (whole) this.events.push(toDelta(run, storable(whole)));
    this.run = waits ? { ...run, text: run.text.slice(-1), pieces: 0 } : null; // the piece was counted already
  }

  private takeEvents(): ModelEvent[] {
    const { events } = this;
    this.events = [];
    return events;
  }
}

const toDelta = ({ kind, index, pieces }: Run, text: string): Delta =>
  kind === 'tool-arguments' ? { kind, index, text, pieces } : { kind, text, pieces };
