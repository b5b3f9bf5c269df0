import type { Json, JsonObject } from '../kernel/json.ts';

/**
 * What a crash between the effect of a tool and the storing of its result means: run it again, run it again with the
 * same key, or tell that nobody knows.
 */
export type ToolReplay = 'READ_ONLY' | 'IDEMPOTENT' | 'NEVER_REPLAY';
export type Risk = 'LOW' | 'MEDIUM' | 'HIGH';

export type ToolCallStatus =
  | 'STREAMING_ARGUMENTS'
  | 'PENDING_APPROVAL'
  | 'PENDING_CLIENT'
  | 'READY'
  | 'RUNNING'
  | 'SUCCEEDED'
  | 'FAILED'
  | 'DENIED'
  | 'CANCELLED'
  | 'OUTCOME_UNKNOWN';

/** Who calls a tool, on whose behalf, and in which conversation: known to the server, never said by a model. */
export type ToolCaller = {
  viewer: { userId: string; roles: readonly string[] };
  conversationId: string;
  /** The labels of the conversation, as the application set them. */
  metadata: JsonObject;
};

/** How far a tool is: a share from 0 to 1, words for a person, anything else. */
export type ToolProgress = { progress?: number; message?: string; data?: Json };

export type ToolContext = ToolCaller & {
  turnId: string;
  /** The same in each run of the same call: pass it on as an idempotency key. */
  callId: string;
  /** Which run of the call this is, from 1. */
  attempt: number;
  /** Aborted when the turn is stopped, when time is up, and when the process ends. */
  signal: AbortSignal;
  progress(progress: ToolProgress): void;
  /** Shows something that is no text, in the answer, where it stays. Resolves when it is stored. */
  display(widget: { type: string; data: Json }): Promise<void>;
  /**
   * Reads by global id, as the caller may: null for what does not exist for them. Ids that a model supplied belong
   * through here.
   */
  find(id: string): Promise<Found | null>;
};

/** An object that exists for the caller, with its own id. */
export type Found = { type: 'Conversation' | 'Message'; id: string; conversationId: string };

/** The part of the Standard Schema interface (standardschema.dev) that is used: zod, valibot and arktype speak it. */
type Schema<Output = unknown> = {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => Validated<Output> | Promise<Validated<Output>>;
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined;
    readonly jsonSchema?: {
      readonly input: (options: { readonly target: 'draft-2020-12' }) => Record<string, unknown>;
    };
  };
};
type Validated<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | {
      readonly issues: readonly {
        readonly message: string;
        readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
      }[];
    };

type ToolBase<Input> = {
  /** 1 to 64 letters, digits, "_" and "-"; what the model calls it by. */
  name: string;
  /** For the model: what it does, and when to use it. */
  description: string;
  /** What it takes: an object. */
  input: Schema<Input>;
  /** The JSON Schema of `input`, for libraries that cannot tell it themselves. */
  parameters?: JsonObject;
  /** Names of properties of `input` that the server sets: the model never sees them, and cannot. */
  inject?: Readonly<Record<string, (caller: ToolCaller) => unknown>>;
  /** What it must give; without it anything that JSON can say. */
  output?: Schema;
  /** Whether a person is asked first: never, always, or as the arguments say. */
  approval?: 'NEVER' | 'ALWAYS' | ((input: Input, caller: ToolCaller) => boolean | Promise<boolean>);
  /** What the person is told who decides; a function of the arguments. */
  summary?: (input: Input) => string;
  risk?: Risk;
};

export type Tool<Input = unknown> = ToolBase<Input> &
  (
    | {
        kind?: 'SERVER';
        replay: ToolReplay;
        /** How long a run may take, in milliseconds; 30,000 where nothing is said. */
        timeoutMs?: number;
        execute: (input: Input, context: ToolContext) => unknown;
      }
    | { kind: 'CLIENT' | 'HUMAN' }
  );

/** A tool whatever its input, as registries hold it. */
// biome-ignore lint/suspicious/noExplicitAny: the input of each is checked by its own schema before it is given to it
export type AnyTool = Tool<any>;

/** Says what a tool is. The type of the input of `execute` is that of the schema. */
export const defineTool = <Input>(tool: Tool<Input>): Tool<Input> => tool;

/**
 * A failure of a tool that its caller and the model may read; any other exception is logged, and told without its
 * words.
 */
export class ToolError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ToolError';
  }
}

/** A call as it is stored. */
export type ToolCallRecord = {
  id: string;
  /** Its number in the message, from 1. */
  number: number;
  /** The attempt of the turn whose answer asked for it. */
  step: number;
  /** As the model knows it; unique in the turn. */
  callId: string;
  toolName: string;
  argumentsText: string;
  /** The arguments as they hold: those that a person edited, else the model's; null where they are no JSON object. */
  arguments: JsonObject | null;
  /** Whether a person changed them. */
  isEdited: boolean;
  status: ToolCallStatus;
  /** What is to be said of it where it was begun and its end is not known. */
  replay: ToolReplay;
  attempts: number;
  result: Json;
  errorMessage: string | null;
};

/** How a call ended. */
export type ToolOutcome =
  | { status: 'SUCCEEDED'; result: Json }
  | {
      status: 'FAILED' | 'DENIED' | 'CANCELLED' | 'OUTCOME_UNKNOWN';
      code: 'TOOL_NOT_FOUND' | 'TOOL_FAILED' | 'TOOL_OUTCOME_UNKNOWN';
      message: string;
    };

const open: readonly ToolCallStatus[] = [
  'STREAMING_ARGUMENTS',
  'PENDING_APPROVAL',
  'PENDING_CLIENT',
  'READY',
  'RUNNING',
];
export const isOpen = (status: ToolCallStatus): boolean => open.includes(status);
