/**
 * The thread in which JSON of strangers is checked: one request at a time, an answer each. It knows nothing else of the
 * process.
 */
import { parentPort } from 'node:worker_threads';
import { createValidator } from './validate.ts';

/** `text` is null where only the schema is in question. */
export type CheckRequest = { schema: string; text: string | null };
export type CheckResponse = { json: string; fault?: string } | { fault: string | null } | { error: string };
export type ThreadMessage = { ready: true } | CheckResponse;

const validator = createValidator();

function respond({ schema, text }: CheckRequest): CheckResponse {
  try {
    return text === null ? { fault: validator.faultOfSchema(schema) } : validator.check(schema, text);
  } catch (error) {
    // A stack that is too small for a schema that comes back to itself is the schema's fault, too.
    if (error instanceof RangeError) return { fault: 'it cannot be checked: the schema leads too deep' };
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

const send = (message: ThreadMessage): void => parentPort?.postMessage(message);

parentPort?.on('message', (request: CheckRequest) => send(respond(request)));
send({ ready: true });
