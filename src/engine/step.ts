import type { FinishReason } from '../contracts/message.ts';
import type { ModelEvent } from '../contracts/model-event.ts';
import type { ModelRequest } from '../contracts/model-provider.ts';
import type { EventBody } from '../contracts/turn-event.ts';
import { pushMerged } from '../contracts/turn-event.ts';
import type { Call, EnginePorts } from './ports.ts';
import type { Transcript } from './transcript.ts';

export type StepEnd = { call: Call; finishReason: FinishReason } | { call: Call; error: unknown };

type Ports = Pick<EnginePorts, 'provider' | 'emit' | 'mark' | 'clock'>;

/**
 * One call of the model: its events become the turn's. Returns how it ended, with the account of the call, whatever happened; only a
 * failure to store events is thrown, since nothing more can be done then.
 */
export async function runStep(
  request: ModelRequest,
  attempt: number,
  promptTokens: number,
  transcript: Transcript,
  ports: Ports,
  signal: AbortSignal,
): Promise<StepEnd> {
  const { clock } = ports;
  const start = clock.elapsed();
  const call = createCall(attempt, promptTokens);
  const generated: string[] = [];
  let finishReason: FinishReason | null = null;
  const end = (): Call => ({ ...call, generated: generated.join(''), durationMs: Math.round(clock.elapsed() - start) });

  const batches = ports.provider.stream(request, signal)[Symbol.asyncIterator]();
  ports.mark('request-sent');
  for (;;) {
    let batch: readonly ModelEvent[];
    try {
      const { done, value } = await batches.next();
      if (done) break;
      batch = value;
    } catch (error) {
      return { call: end(), error };
    }
    const bodies: EventBody[] = [];
    for (const event of batch) {
      if (event.kind === 'finish') finishReason = event.reason;
      else take(event, { call, transcript, generated, bodies });
    }
    if (bodies.length > 0) {
      ports.mark(call.firstTokenMs === null ? 'first-delta' : 'delta');
      call.firstTokenMs ??= Math.round(clock.elapsed() - start);
      await emitOrLeave(ports, bodies, batches);
    }
  }
  if (!finishReason) return { call: end(), error: new Error('A model adapter ended without a finish reason and without an error.') };
  return { call: end(), finishReason };
}

/** A turn that cannot store must not leave the provider's connection open behind it. */
async function emitOrLeave({ emit }: Ports, bodies: readonly EventBody[], batches: AsyncIterator<unknown>): Promise<void> {
  try {
    await emit(bodies);
  } catch (error) {
    await batches.return?.();
    throw error;
  }
}

type Taking = { call: Call; transcript: Transcript; generated: string[]; bodies: EventBody[] };

function take(event: Exclude<ModelEvent, { kind: 'finish' }>, { call, transcript, generated, bodies }: Taking): void {
  switch (event.kind) {
    case 'accepted':
      call.accepted = true;
      call.requestId = event.requestId;
      return;
    case 'response':
      call.responseId = event.responseId;
      call.model = event.model;
      return;
    case 'usage':
      call.usage = event.usage;
      return;
    case 'refusal-delta':
      generated.push(event.text);
      transcript.refuse(event.text);
      return;
    case 'text-delta':
    case 'reasoning-delta':
      generated.push(event.text);
      pushMerged(bodies, transcript.add(event, call.attempt));
  }
}

const createCall = (attempt: number, promptTokens: number): Call => ({
  attempt,
  accepted: false,
  requestId: null,
  responseId: null,
  model: null,
  usage: null,
  generated: '',
  promptTokens,
  firstTokenMs: null,
  durationMs: 0,
});
