import { pause } from '../../kernel/async.ts';

/** A thread that does not look at what it is asked within this time does not look at all. */
const patienceMs = 2_000;

/**
 * Evaluates an expression in a thread that is busy, in the middle of what it computes: JavaScript and WebAssembly look
 * for the inspector's messages at each turn of a loop. Nothing is attached before and after. Says whether the
 * expression gave true; false as well where this Node.js has no inspector, where this is no main thread, and where the
 * thread hangs in a call of the system.
 */
export async function interruptThread(threadId: number, expression: string): Promise<boolean> {
  try {
    const { Session } = await import('node:inspector/promises');
    const session = new Session();
    const done = new AbortController();
    session.connect();
    try {
      return await Promise.race([
        evaluate(session, threadId, expression),
        pause(patienceMs, done.signal).then(() => false),
      ]);
    } finally {
      done.abort();
      session.disconnect();
    }
  } catch {
    return false;
  }
}

type Session = import('node:inspector/promises').Session;

async function evaluate(session: Session, threadId: number, expression: string): Promise<boolean> {
  const attached = new Promise<string>((resolve) => {
    session.on('NodeWorker.attachedToWorker', ({ params: { sessionId, workerInfo } }) => {
      // Its title begins with the id of the thread; what is called its id is another.
      if (workerInfo.title.startsWith(`[worker ${threadId}]`)) resolve(sessionId);
    });
  });
  const answered = new Promise<string>((resolve) => {
    session.on('NodeWorker.receivedMessageFromWorker', ({ params }) => resolve(params.message));
  });
  await session.post('NodeWorker.enable', { waitForDebuggerOnStart: false });
  const sessionId = await attached;
  const message = JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } });
  await session.post('NodeWorker.sendMessageToWorker', { sessionId, message });
  const { result } = JSON.parse(await answered) as { result?: { result?: { value?: unknown } } };
  return result?.result?.value === true;
}
