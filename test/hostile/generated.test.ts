import { monitorEventLoopDelay } from 'node:perf_hooks';
import { buildClientSchema, getIntrospectionQuery, type IntrospectionQuery, parse, validate } from 'graphql';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { createWorld, describeSettings, secret, tokenFor, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { defaultOrFull } from '../kit/run-mode.ts';
import { ask } from '../kit/story.ts';
import { mangledBody, mangledOperation } from './mangle.ts';
import { createOperations } from './operations.ts';
import { createChance } from './random.ts';
import { type Answer, openPeer, type Peer, sendOverHttp } from './senders.ts';

/** Another one each time, but in CI; the one of a failure is printed with it, and HOSTILE_SEED brings it back. */
const seed = Number(process.env.HOSTILE_SEED ?? (process.env.CI ? 302_623 : Date.now() % 1_000_000));
const count = Number(process.env.HOSTILE_COUNT ?? defaultOrFull(500, 5_000));
const atOnce = 24;
const insides = new RegExp(`\\n\\s+at |node_modules|/src/|[pP]risma|[pP]ostgres|sk-test|${secret}`);
const faults = /INTERNAL|Unexpected error|Something went wrong/;

describeSettings(
  'operations that a machine makes up',
  ({ storage }) => {
    let world: World;
    let app: App;
    let alice: TestClient;
    const known = { ids: [] as string[], cursors: [] as string[] };

    beforeAll(async () => {
      world = await createWorld(storage, { tokensPerSecond: 20_000, env: { SOCKET_MESSAGES_PER_SECOND: '0' } });
      app = await world.start();
      alice = await world.client(app);
      for (const text of ['one [[say first]]', 'two [[tokens 30]]', 'three [[fail 400]]']) {
        const sent = await ask(alice, text);
        known.ids.push(sent.conversation.id, sent.turn.id, sent.userMessage!.id);
        known.cursors.push(sent.cursor, sent.conversation.eventCursor);
      }
    });
    afterAll(() => world.close());

    /** What an answer names may be asked for next. */
    function learn(text: string): void {
      for (const [, id] of text.matchAll(/"id":"([\w-]{20,100})"/g)) if (known.ids.length < 300) known.ids.push(id!);
      for (const [, cursor] of text.matchAll(/ursor":"([\w-]{20,100})"/g))
        if (known.cursors.length < 100) known.cursors.push(cursor!);
    }

    async function introspected() {
      const answer = await sendOverHttp(
        app.url!,
        alice.token!,
        JSON.stringify({ query: getIntrospectionQuery({ oneOf: true }) }),
        false,
      );
      return buildClientSchema((JSON.parse(answer.text) as { data: IntrospectionQuery }).data);
    }

    type Job = { text: string | Buffer; run: () => Promise<Answer> };

    /** So many at once, each answer looked at; gives how many had data, and how many errors each code had. */
    async function runAll(
      total: number,
      next: (at: number) => Job,
    ): Promise<{ withData: number; codes: Record<string, number>; slowestMs: number }> {
      const delay = monitorEventLoopDelay({ resolution: 20 });
      delay.enable();
      let at = 0;
      let withData = 0;
      const codes: Record<string, number> = {};
      async function work(): Promise<void> {
        while (at < total) {
          const job = next(at++);
          const { status, text } = await job.run();
          const about = `seed ${seed}, number ${at - 1}: ${String(job.text).slice(0, 2_000)}\nanswered ${status} ${text.slice(0, 1_000)}`;
          // Over HTTP no status of ours; over a socket no code that a fault would close it with.
          expect(status < 500 || (status > 4_000 && status < 4_500) || status === 1_007, about).toBe(true);
          expect(faults.test(text), about).toBe(false);
          expect(insides.test(text), about).toBe(false);
          if (/"data":\{/.test(text)) withData += 1;
          learn(text);
          for (const [, code] of text.matchAll(/"code":"([A-Z_]+)"/g)) codes[code!] = (codes[code!] ?? 0) + 1;
        }
      }
      await Promise.all(Array.from({ length: atOnce }, work));
      delay.disable();
      return { withData, codes, slowestMs: delay.max / 1e6 };
    }

    /** Sockets in turn, each opened again where the protocol closed it. */
    function createPeers(token: string) {
      const peers: (Peer | undefined)[] = [];
      return {
        async send(at: number, message: string, id: string): Promise<Answer> {
          const slot = at % 4;
          if (!peers[slot]?.isOpen()) peers[slot] = await openPeer(app.url!, token);
          return peers[slot]!.send(message, id);
        },
        close() {
          for (const peer of peers) peer?.close();
        },
      };
    }

    const serves = async () => expect((await ask(alice, '[[say still here]]')).turn.status).toBe('COMPLETED');

    it(`are answered, ${count} valid ones: none is a fault of ours (seed ${seed})`, async () => {
      const schema = await introspected();
      const chance = createChance(seed);
      const make = createOperations(schema, chance, known);
      const peers = createPeers(alice.token!);
      const { withData, codes, slowestMs } = await runAll(count, (at) => {
        const { kind, ...operation } = make();
        expect(
          validate(schema, parse(operation.query)).map(({ message }) => message),
          `seed ${seed}, number ${at}: ${operation.query}`,
        ).toEqual([]);
        const body = JSON.stringify(operation);
        if (at % 2 === 0)
          return { text: body, run: () => sendOverHttp(app.url!, alice.token!, body, kind === 'subscription') };
        const message = JSON.stringify({ id: String(at), type: 'subscribe', payload: operation });
        return { text: body, run: () => peers.send(at, message, String(at)) };
      });
      peers.close();
      expect(codes.GRAPHQL_PARSE_FAILED, JSON.stringify(codes)).toBeUndefined();
      expect(withData).toBeGreaterThan(count / 3);
      expect(slowestMs).toBeLessThan(5_000);
      await serves();
    }, 240_000);

    it(`are answered, ${count} spoilt ones: none is a fault of ours (seed ${seed})`, async () => {
      const chance = createChance(seed + 1);
      const make = createOperations(await introspected(), chance, known);
      const peers = createPeers(await tokenFor('alice'));
      const { codes, slowestMs } = await runAll(count, (at) => {
        const operation = make();
        const json = JSON.stringify(mangledOperation(operation, chance));
        const streams = operation.kind === 'subscription';
        if (at % 2 === 1) {
          const message = `{"id":"${at}","type":"subscribe","payload":${json}}`;
          return { text: json, run: () => peers.send(at, message, String(at)) };
        }
        const body = chance.percent(20) ? mangledBody(json, chance) : json;
        return { text: body, run: () => sendOverHttp(app.url!, alice.token!, body, streams) };
      });
      peers.close();
      expect(codes.GRAPHQL_PARSE_FAILED).toBeGreaterThan(count / 20);
      expect(codes.GRAPHQL_VALIDATION_FAILED).toBeGreaterThan(count / 20);
      expect(slowestMs).toBeLessThan(5_000);
      await serves();
    }, 240_000);
  },
  ({ storage, redis }) => storage.name === 'postgres' && !redis,
);
