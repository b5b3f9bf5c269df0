import { pause } from '../../../src/kernel/async.ts';
import { type FrameFragment, LiveDocument, PollDocument } from '../../generated/graphql.ts';
import { createTestClient, framesOf, type TestClient } from '../../kit/client.ts';
import { createReader, type Reader } from '../../kit/reader.ts';
import { framesOverSse } from '../../kit/sse.ts';
import { type Link, startLink } from './link.ts';
import type { WatcherPlan } from './schedule.ts';
import type { Stage } from './stage.ts';

/** Somebody who follows a conversation through every cut, with nothing but a cursor. */
export type Watcher = {
  plan: WatcherPlan;
  conversationId: string;
  /** A strict one: it fails on a hole, on a repeat, and on what comes out of order. */
  reader: Reader;
  /** Each frame that brought events, with the time of its arrival. */
  frames: { at: number; frame: FrameFragment }[];
  /** What no reader may be told; empty while all is well. */
  faults: string[];
  /** Why its streams ended, of each. */
  interruptions: string[];
  has(turnId: string): boolean;
  /** Ends it. */
  leave(): Promise<void>;
};

type From = { conversationId: string; cursor: string; user: string };

/** Long enough between two tries that a process which is away is not run over. */
const retryMs = 150;
const pollMs = 120;

export async function watch(stage: Stage, plan: WatcherPlan, { conversationId, cursor, user }: From): Promise<Watcher> {
  let api = plan.api;
  const link = await startLink(stage.apis[api]!.port);
  const client = createTestClient(`http://127.0.0.1:${link.port}`, await stage.token(user));
  const reader = createReader();
  reader.take({ cursor, caughtUp: true, replayed: true, events: [] });
  let over = false;
  const watcher: Watcher = {
    plan,
    conversationId,
    reader,
    frames: [],
    faults: [],
    interruptions: [],
    has: (turnId) => reader.finished.some((event) => event.turn.id === turnId),
    async leave() {
      over = true;
      link.reset();
      await reading;
      await client.close();
      await link.close();
    },
  };

  function take(frame: FrameFragment): void {
    if (frame.events.length > 0) watcher.frames.push({ at: Date.now(), frame });
    try {
      reader.take(frame);
    } catch (error) {
      watcher.faults.push(
        `${plan.transport} after ${watcher.interruptions.length} interruptions: ${(error as Error).message}`,
      );
      over = true;
    }
  }

  async function read(): Promise<void> {
    while (!over) {
      try {
        for await (const frame of framesFrom(client, plan, conversationId, reader, () => over)) {
          take(frame);
          if (over) return;
        }
        watcher.interruptions.push('the stream ended');
      } catch (error) {
        watcher.interruptions.push(said(error));
      }
      api = api === 0 ? 1 : 0;
      link.lead(stage.apis[api]!.port);
      await pause(retryMs);
    }
  }

  const reading = read();
  for (const at of plan.cuts) void pause(at).then(() => cut(link, watcher, over));
  return watcher;
}

function cut(link: Link, { interruptions }: Watcher, over: boolean): void {
  if (over) return;
  interruptions.push('cut');
  link.reset();
}

async function* framesFrom(
  client: TestClient,
  { transport, coalesceMs }: WatcherPlan,
  id: string,
  reader: Reader,
  isOver: () => boolean,
): AsyncGenerator<FrameFragment, void> {
  const from = { id, after: reader.cursor, coalesceMs };
  if (transport === 'ws') yield* framesOf(client.socket(), LiveDocument, from);
  else if (transport === 'sse') yield* framesOverSse(client, LiveDocument, from);
  else {
    for (; !isOver(); await pause(pollMs))
      yield (await client.request(PollDocument, { id, after: reader.cursor })).conversationEvents;
  }
}

/** In a line why a stream or a request ended: a close of a socket is no Error. */
export const said = (error: unknown): string =>
  (error instanceof Error
    ? `${error.message}${error.cause ? `: ${(error.cause as Error).message}` : ''}`
    : JSON.stringify(error)
  ).slice(0, 300);
