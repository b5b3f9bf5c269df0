import type { ContextRecord } from '../contracts/context.ts';
import type { JsonChecker } from '../contracts/json-checker.ts';
import type { ModelMessage } from '../contracts/model-message.ts';
import type { ModelProvider } from '../contracts/model-provider.ts';
import type { StopRequest, TurnPoint } from '../contracts/turn.ts';
import type { EventBody } from '../contracts/turn-event.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Call } from './call.ts';
import type { ToolPorts } from './tools/ports.ts';

/** Why a run must end before the model does; the reason of its abort signal. */
export type Interruption = { kind: 'stopped'; request: StopRequest } | { kind: 'fenced' } | { kind: 'drained' };

/** What a model is shown in one call. */
export type Prompt = { messages: readonly ModelMessage[]; record: ContextRecord };

/**
 * What the engine needs of the world: each a function over values, so that a run can be told step by step in a test.
 */
export type EnginePorts = {
  provider: ModelProvider;
  /**
   * Stores events of this turn, in order: what the model has said in so many words (1 unless said). Resolves once there
   * is room for more, rejects when the turn is no longer ours.
   */
  emit(bodies: readonly EventBody[], words?: number): Promise<void>;
  /** Resolves when all that was emitted is stored. */
  flushed(): Promise<void>;
  /**
   * The messages for the model, the newest last, fitted to so much of its window (all of it: 1), and what became of the
   * others. What the turn itself has said and learned already is `own`, and comes after them.
   */
  context(share: number, own: readonly ModelMessage[]): Promise<Prompt>;
  /** Says durably that attempt `number` is about to call the provider with this. */
  requesting(number: number, record: ContextRecord): Promise<void>;
  /** Ends a failed attempt, with the account of its call, and begins the next. Returns the new attempt's number. */
  retrying(call: Call): Promise<number>;
  tools: ToolPorts;
  /** Checks answers that are to have a format. */
  json: JsonChecker;
  reportPoint(point: TurnPoint): void;
  clock: Clock;
  random(): number;
  maxRetries: number;
};
