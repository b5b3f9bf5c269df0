import type { ModelRequest } from '../contracts/model-provider.ts';
import type { EnginePorts } from './ports.ts';
import { runStep, type StepEnd } from './step.ts';
import { Transcript } from './transcript.ts';

/** One call of a model beside any turn: nobody reads along, and what was said is in the account of the call. */
export const callModel = (
  request: ModelRequest,
  promptTokens: number,
  ports: Pick<EnginePorts, 'provider' | 'clock'>,
  signal: AbortSignal,
): Promise<StepEnd> =>
  runStep(
    request,
    { attempt: 0, promptTokens, transcript: new Transcript('') },
    { ...ports, emit: async () => {}, reportPoint: () => {} },
    signal,
  );
