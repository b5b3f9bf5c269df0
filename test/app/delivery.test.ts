import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { type ExecutionArgs, type ExecutionResult, execute, parse } from 'graphql';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { createCompiler } from '../../src/app/delivery/compiled.ts';
import { createAnswers, isShared } from '../../src/app/delivery/frames.ts';
import { bind } from '../../src/app/delivery/wire.ts';
import { messageLimits } from '../../src/app/edge/limits.ts';
import { schema } from '../../src/app/schema.ts';
import type { LogEvent } from '../../src/contracts/turn-event.ts';
import { toGraphQLFrame } from '../../src/features/streams/frames.ts';
import { AnswerBudget, AnswerShares } from '../../src/graph/budget/index.ts';
import { until } from '../kit/until.ts';

const conversationId = '0191d0de-0000-7000-8000-000000000001';
const turnId = '0191d0de-0000-7000-8000-000000000002';
const messageId = '0191d0de-0000-7000-8000-000000000003';
const id = Buffer.from(`Conversation:${conversationId}`).toString('base64');

const delta = (text: string, seq = 1): LogEvent => ({
  seq,
  at: new Date(1_700_000_000_000),
  turnId,
  body: { type: 'text-delta', messageId, partIndex: 0, offset: 0, text, attempt: 1 },
});
const frameOf = (events: LogEvent[]) =>
  toGraphQLFrame({ conversationId, epoch: 1, seq: events.at(-1)?.seq ?? 0, events, caughtUp: true, replayed: false });

/** A reader's context: whoever reads anything of it leaves a trace. */
function contextOf(name: string) {
  const touched: string[] = [];
  const contextValue = {
    get viewer() {
      touched.push('viewer');
      return { userId: name, roles: [], expiresAt: new Date() };
    },
    nextAnswer: () => void touched.push('renewed'),
    endAnswer: () => {},
    budget: new AnswerBudget(new AnswerShares({ answer: 1e6, user: 4e6, process: 8e6 }), { user: name, cut: () => {} }),
    loaders: {},
    db: { turn: { findUniqueOrThrow: async () => ({ id: turnId, status: name }) } },
  };
  return { contextValue, touched };
}

const argsOf = (query: string, name = 'alice', variables: Record<string, unknown> = {}) => {
  const { contextValue, touched } = contextOf(name);
  const document = documents.get(query) ?? parse(query);
  documents.set(query, document);
  return { args: { schema, document, contextValue, variableValues: { id, ...variables } } as ExecutionArgs, touched };
};
/** The server keeps parsed documents by their text; so does this. */
const documents = new Map<string, ReturnType<typeof parse>>();

const watch =
  'subscription($id: ID!) { conversationEvents(conversationId: $id) { cursor events { __typename ... on TextDeltaEvent { text offset } } } }';

describe('a frame of text', () => {
  it('is executed once for all readers with the same document, without the viewer of any', () => {
    const answer = createAnswers();
    const frame = frameOf([delta('hello')]);
    const [alice, bob] = [argsOf(watch, 'alice'), argsOf(watch, 'bob')];
    const result = answer(alice.args, frame);
    expect(answer(bob.args, frame)).toBe(result);
    expect(result).toMatchObject({
      data: { conversationEvents: { events: [{ __typename: 'TextDeltaEvent', text: 'hello', offset: 0 }] } },
    });
    expect([...alice.touched, ...bob.touched]).toEqual([]);
  });

  it('is executed anew for another document, and for another frame', () => {
    const answer = createAnswers();
    const frame = frameOf([delta('hello')]);
    const first = answer(argsOf(watch).args, frame);
    expect(answer(argsOf(watch.replace('text offset', 'text')).args, frame)).not.toBe(first);
    expect(answer(argsOf(watch).args, frameOf([delta('hello')]))).not.toBe(first);
  });

  it('is each reader’s own where what is selected hangs on a variable', async () => {
    const answer = createAnswers();
    const frame = frameOf([delta('hello')]);
    const query = watch
      .replace('($id: ID!)', '($id: ID!, $no: Boolean!)')
      .replace('text offset', 'text offset @skip(if: $no)');
    const [yes, no] = [
      await answer(argsOf(query, 'alice', { no: true }).args, frame),
      await answer(argsOf(query, 'bob', { no: false }).args, frame),
    ];
    expect(JSON.stringify(yes)).not.toContain('offset');
    expect(JSON.stringify(no)).toContain('offset');
  });

  it('says the same compiled as it does executed, whatever is selected of it', async () => {
    const meta = fc.subarray(['seq', 'at', 'turnId', 'again: seq', '__typename', 'kind: __typename']);
    const text = fc.subarray([
      'text',
      'offset',
      'partIndex',
      'messageId',
      'attempt',
      'more: text',
      'text @include(if: true)',
      'gone: text @skip(if: true)',
    ]);
    const outer = fc.subarray(['cursor', 'caughtUp', 'replayed', 'c: cursor', '__typename']);
    const texts = fc.array(fc.string({ unit: 'grapheme', minLength: 1 }), { maxLength: 4 });
    const selection = fc.record({ meta, text, outer, texts, named: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(selection, async ({ meta, text, outer, texts, named }) => {
        const inner = `... on EventMeta { ${['__typename', ...meta].join(' ')} } ... on TextDeltaEvent { ${['text', ...text].join(' ')} }`;
        const fields = `${outer.join(' ')} events { ${named ? '...Event' : inner} }`;
        const fragment = named ? `fragment Event on ConversationEvent { ${inner} }` : '';
        const document = parse(
          `subscription S($id: ID!) { frame: conversationEvents(conversationId: $id) { ${fields} } } ${fragment}`,
        );
        const compiler = createCompiler(schema, document, 'S');
        for (let uses = 1; uses < 20; uses++) expect(compiler()).toBeNull();
        const compiled = compiler()!;
        const payload = frameOf(texts.map((each, index) => delta(each, index + 1)));
        const plain = (await execute({
          schema,
          document,
          rootValue: payload,
          contextValue: {},
          variableValues: { id },
        })) as ExecutionResult;
        expect(plain.errors).toBeUndefined();
        expect(JSON.stringify(compiled(payload, { id }))).toBe(JSON.stringify(plain));
      }),
      { numRuns: 60 },
    );
  });
});

describe('a frame of anything else', () => {
  it('is not compiled where fragments lead to many times the document: the compiler has each in the place of each spread', () => {
    const compiledAfter = (levels: number) => {
      const fragments = Array.from(
        { length: levels },
        (_, at) => `fragment F${at} on EventMeta { seq ...F${at + 1} ...F${at + 1} }`,
      );
      const query = `subscription { conversationEvents(conversationId: "x") { events { ...F0 } } } ${fragments.join(' ')} fragment F${levels} on EventMeta { seq }`;
      const compiler = createCompiler(schema, parse(query));
      return Array.from({ length: 30 }, compiler).at(-1);
    };
    expect(compiledAfter(3)).toBeTypeOf('function');
    expect(compiledAfter(14)).toBeNull();
  });

  it('is executed for each reader, with what that reader may see and nothing that was read before', async () => {
    const answer = createAnswers();
    const query =
      'subscription($id: ID!) { conversationEvents(conversationId: $id) { events { ... on TurnStartedEvent { turn { status } } } } }';
    const frame = frameOf([delta('hello'), { seq: 2, at: new Date(), turnId, body: { type: 'turn-started', turnId } }]);
    for (const name of ['RUNNING', 'QUEUED']) {
      const { args, touched } = argsOf(query, name);
      const result = await answer(args, frame);
      expect(isShared(result)).toBe(false);
      expect(JSON.stringify(result)).toContain(name);
      expect(touched).toContain('renewed');
    }
  });
});

describe('a socket', () => {
  const ends: (() => void)[] = [];
  afterEach(() => {
    for (const end of ends.splice(0)) end();
  });

  async function listen(keepAliveMs: number) {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const sockets = new WebSocketServer({ server });
    const binding = bind(sockets, (socket) => ({ socket, limits: messageLimits(null, 5_000) }), {
      schema,
      keepAliveMs,
      onFault: () => {},
    });
    ends.push(() => {
      binding.close();
      server.closeAllConnections();
      server.close();
    });
    return { sockets, url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}` };
  }

  it('that answers no ping is ended, and one that does stays', async () => {
    const { sockets, url } = await listen(400);
    const [good, dead] = [
      new WebSocket(url, 'graphql-transport-ws'),
      new WebSocket(url, 'graphql-transport-ws', { autoPong: false }),
    ];
    let pings = 0;
    good.on('ping', () => {
      pings += 1;
    });
    for (const socket of [good, dead]) socket.on('open', () => socket.send('{"type":"connection_init"}'));
    await until(() => sockets.clients.size === 2, 'both sockets');
    await Promise.all([once(dead, 'close'), until(() => pings >= 3, 'three pings')]);
    expect(good.readyState).toBe(WebSocket.OPEN);
    expect(sockets.clients.size).toBe(1);
    good.terminate();
  });
});
