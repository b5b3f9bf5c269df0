import type { ExecutionArgs, ExecutionResult, GraphQLError } from 'graphql';
import type { WebSocket } from 'ws';
import type { Context } from '../../graph/context.ts';
import type { MaskError } from '../../graph/mask-errors.ts';
import type { LogStream } from '../ops/operation-report.ts';
import { type Answer, isShared, type SharedResult } from './frames.ts';
import { send } from './wire.ts';

/** What all streams of a process are given. */
export type StreamDelivery = { answer: Answer; maskError: MaskError; logStream: LogStream };

/**
 * One stream: what was asked, under which id of which socket, and what happens. `beside` are all streams of the socket
 * that are open: graphql-ws loses sight of one whose id is used again, and whoever closes the socket ends them all.
 */
type Asked = {
  args: ExecutionArgs;
  id: string;
  socket: WebSocket;
  source: AsyncIterator<unknown>;
  beside: SocketStream[];
};

const over = { done: true, value: undefined } as const;

/**
 * The results of a subscription for graphql-ws. Shared ones it puts on the socket by itself, as the very bytes that
 * other sockets get, and leaves everything else to graphql-ws. The next payload is asked for when the socket has taken
 * the last one: what arrives meanwhile merges, and a reader that stops reading holds one. One object does all that
 * happens to a payload on its way, since every step between would cost each of them, and hold memory for each stream
 * that waits.
 */
export class SocketStream implements AsyncIterableIterator<ExecutionResult, undefined> {
  private readonly delivery: StreamDelivery;
  private readonly operation: Asked;
  private readonly start = performance.now();
  private frames = 0;
  private errors: readonly GraphQLError[] = [];
  private isOpen = true;

  constructor(delivery: StreamDelivery, operation: Asked) {
    this.delivery = delivery;
    this.operation = operation;
    operation.beside.push(this);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<ExecutionResult, undefined>> {
    const { source, args, id, socket } = this.operation;
    try {
      for (;;) {
        (args.contextValue as Context).nextAnswer(); // the last has been sent
        const { done, value } = await source.next();
        if (done) break;
        const answer = this.delivery.answer(args, value);
        const result = 'then' in answer ? await answer : answer;
        this.frames += 1;
        if (!isShared(result)) return { done: false, value: this.masked(result) };
        await send(socket, messageOf(result, id));
      }
    } catch (error) {
      const masked = this.mask(error);
      this.end([masked]);
      await source.return?.();
      throw masked;
    }
    this.end(this.errors);
    return over;
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.end(this.errors);
    await this.operation.source.return?.();
    return over;
  }

  async throw(error: unknown): Promise<never> {
    await this.return();
    throw error;
  }

  private mask(error: unknown): GraphQLError {
    return this.delivery.maskError(error, (this.operation.args.contextValue as Context).requestId);
  }

  private masked(result: ExecutionResult): ExecutionResult {
    if (!result.errors) return result;
    this.errors = result.errors.map((error) => this.mask(error));
    return { ...result, errors: this.errors };
  }

  private end(errors: readonly GraphQLError[]): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    const { args, beside } = this.operation;
    beside.splice(beside.indexOf(this), 1);
    (args.contextValue as Context).endAnswer();
    this.delivery.logStream(args, this.start, this.frames, errors);
  }
}

/**
 * The message of the protocol. Clients count their operations from one, so many readers of one conversation have the
 * same id.
 */
function messageOf(result: SharedResult, id: string): Buffer {
  const known = result.sockets.get(id);
  if (known) return known;
  const message = Buffer.from(`{"id":${JSON.stringify(id)},"type":"next","payload":${result.stringify()}}`);
  result.sockets.set(id, message);
  return message;
}
