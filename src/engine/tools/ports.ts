import type { JsonChecker } from '../../contracts/json-checker.ts';
import type { MessagePart } from '../../contracts/message.ts';
import type { ToolChoice, ToolSpec } from '../../contracts/model-provider.ts';
import type {
  AnyTool,
  Found,
  Risk,
  ToolCaller,
  ToolCallRecord,
  ToolCallStatus,
  ToolOutcome,
} from '../../contracts/tool.ts';
import type { EventBody } from '../../contracts/turn-event.ts';
import type { JsonObject } from '../../kernel/json.ts';
import type { Call } from '../call.ts';

/**
 * What a turn may spend on tools; whatever is reached first, the model is asked once more for its answer, without
 * tools.
 */
export type ToolLimits = {
  /** Answers of the model that call tools. */
  rounds: number;
  calls: number;
  /** Milliseconds of one run, without what a person was waited for. */
  wallMs: number;
  /** Tokens of all calls of the model, prompts and answers. */
  tokens: number;
};

/** A call that the model has begun to write. */
type BegunCall = { number: number; step: number; callId: string; toolName: string; partIndex: number };

/** A call whose arguments are whole, and what is to become of it. */
export type ResolvedCall = {
  id: string;
  number: number;
  argumentsText: string;
  arguments: JsonObject | null;
  status: Extract<ToolCallStatus, 'READY' | 'PENDING_APPROVAL' | 'PENDING_CLIENT' | 'FAILED'>;
  replay: 'READ_ONLY' | 'IDEMPOTENT' | 'NEVER_REPLAY';
  /** Where it failed already. */
  outcome: ToolOutcome | null;
  /** What the person is shown who is asked. */
  approval: { summary: string; risk: Risk } | null;
  /** The place of its result. */
  resultIndex: number;
};

/** Something that a turn was told while it ran: by its user, before the part of its answer with this index. */
export type Steering = { at: number; text: string };

/** What the engine needs of the world to run tools. All that is stored is told to readers in the same transaction. */
export type ToolPorts = {
  turnId: string;
  caller: ToolCaller;
  /** What the model may call; empty: nothing. */
  offered: readonly ToolSpec[];
  choice: ToolChoice | undefined;
  limits: ToolLimits;
  /** Checks what models and tools give. */
  json: JsonChecker;
  /** A tool that this turn may call; null where there is none of this name. */
  find(name: string): AnyTool | null;
  /** Stores a call that the model begins, and returns its id. */
  begin(call: BegunCall): Promise<string>;
  /**
   * Ends a step: books its call of the model, stores what it wrote and asks for, and begins the next attempt, whose
   * number it returns.
   */
  commitToolCalls(call: Call, parts: readonly MessagePart[], calls: readonly ResolvedCall[]): Promise<number>;
  /** Says that a call is about to be made, for the `attempt`th time. */
  started(call: ToolCallRecord, attempt: number): Promise<void>;
  ended(call: ToolCallRecord, outcome: ToolOutcome, resultIndex: number): Promise<void>;
  displayed(parts: readonly MessagePart[], event: EventBody): Promise<void>;
  /** Makes the call: `run` is its code, which the world may watch. */
  watch<T>(call: ToolCallRecord, run: () => Promise<T>): Promise<T>;
  lookUp(globalId: string): Promise<Found | null>;
  /** The failure of a tool, for the log. */
  onFault(error: unknown, call: ToolCallRecord): void;
  /**
   * Takes what the turn is told while it runs; `at` is how many parts its answer has. All that it was ever told, in
   * order.
   */
  steered(at: number): Promise<Steering[]>;
  /**
   * Lets the turn wait for people and clients, in nobody's hands. The calls as they are now where nothing is waited for
   * any more.
   */
  wait(): Promise<ToolCallRecord[] | null>;
};
