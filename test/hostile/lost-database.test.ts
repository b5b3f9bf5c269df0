import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type App, startApp } from '../../src/app/build-app.ts';
import { loadConfig } from '../../src/app/config.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { type Link, startLink } from '../crash/chaos/link.ts';
import { asAdmin } from '../kit/admin.ts';
import { createWorld, tokenFor, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { storages } from '../kit/databases.ts';
import { type Message, openAs, openRaw, type RawSocket } from '../kit/raw-socket.ts';
import { ask, type Sent } from '../kit/story.ts';
import { until } from '../kit/until.ts';

const postgres = storages.find(({ name }) => name === 'postgres')!;

type Line = { msg: string; level: number; requestId?: string; err?: { message: string } };
type Fault = { message: string; extensions: { code: string; requestId?: string } };
/** What somebody was told: the whole text, the id that the answer had, and what went wrong. */
type Told = { text: string; id: string | null; errors: Fault[] };

/** Words of the driver, of Prisma, of SQL and of places. None of them is in what these operations ask for. */
const insides =
  /prisma|postgres|\bpg\b|sql|SELECT |INSERT |UPDATE |relation |column |ECONN|EPIPE|socket|connection |terminat|timeout|localhost|127\.0\.0\.1|node_modules|\/src\/|\.[tj]s\b|\n\s+at |invocation/i;
const apology = 'Something went wrong on our side. The fault is logged; try again.';
/** What is said where an operator must mend it, or nobody: it will be there again. */
const away = 'This is not available now. Try again in a moment; the same idempotencyKey does nothing twice.';

describe.runIf(postgres.available)('a database that goes away in the middle of requests', () => {
  const lines: string[] = [];
  let world: World;
  let link: Link;
  let app: App;
  let alice: TestClient;
  let raw: RawSocket;
  let sent: Sent;
  let tableAway: pg.Client;

  beforeAll(async () => {
    world = await createWorld(postgres);
    const place = new URL(world.env.DATABASE_URL!);
    link = await startLink(Number(place.port || 5_432));
    place.host = `127.0.0.1:${link.port}`;
    const config = loadConfig({ ...world.env, DATABASE_URL: place.href });
    const destination = { write: (line: string) => void lines.push(line) };
    app = await startApp(config, createLogger({ level: 'error', production: true, destination }));
    alice = await world.client(app);
    sent = await ask(alice, '[[say hello]]');
    raw = await openAs(app.url!, alice.token);
    tableAway = new pg.Client({ connectionString: world.env.DATABASE_URL! });
    await tableAway.connect();
  });
  afterAll(async () => {
    raw.socket.terminate();
    await tableAway.end();
    await app.close(0);
    await link.close();
    await world.close();
  });

  async function overHttp(query: string, user: string, accept = 'application/json'): Promise<Told> {
    const headers = { 'content-type': 'application/json', accept, authorization: `Bearer ${await tokenFor(user)}` };
    const response = await fetch(`${app.url}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query }) });
    const id = response.headers.get('x-request-id');
    let text = '';
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      if (text.includes('event: next')) break; // of a stream, the first result is enough
    }
    const json = accept === 'application/json' ? text : (/^data: (.*)$/m.exec(text)?.[1] ?? '{}');
    return { text, id, errors: (JSON.parse(json) as { errors?: Fault[] }).errors ?? [] };
  }

  async function overSocket(query: string): Promise<Told> {
    const id = randomUUID();
    raw.say({ id, type: 'subscribe', payload: { query } });
    // A stream that has begun waits for the database for half a minute before it tells.
    const { type, payload } = (await until(
      () => raw.received.find((message) => message.id === id),
      'an answer',
      90_000,
    )) as Message & {
      payload: Fault[] & { errors?: Fault[] };
    };
    return { text: JSON.stringify(payload), id: null, errors: type === 'error' ? payload : (payload.errors ?? []) };
  }

  /** A socket of a user whose account is not known yet: who cannot be told to be somebody is asked to come again. */
  async function greeting(): Promise<Told> {
    const fresh = await openRaw(app.url!);
    fresh.say({ type: 'connection_init', payload: { authorization: `Bearer ${await tokenFor(randomUUID())}` } });
    await until(() => fresh.closed ?? fresh.received[0], 'an answer to the greeting');
    const { closed } = fresh;
    fresh.socket.terminate();
    return {
      text: `${closed?.code} ${closed?.reason}`,
      id: null,
      errors: closed ? [{ message: apology, extensions: { code: String(closed.code) } }] : [],
    };
  }

  const operations = (): Record<string, string> => ({
    query:
      '{ viewer { user { displayName conversationCount } } conversations { nodes { id title messages(last: 3) { nodes { content } } } } }',
    node: `{ node(id: "${sent.turn.id}") { id ... on Turn { status usageTotals { totalTokens } } } }`,
    poll: `{ conversationEvents(conversationId: "${sent.conversation.id}", after: "${sent.cursor}") { cursor } }`,
    create: 'mutation { createConversation(input: { title: "x" }) { __typename } }',
    send: `mutation { sendMessage(input: { conversation: { id: "${sent.conversation.id}" }, content: { text: "[[say x]]" }, idempotencyKey: "${randomUUID()}" }) { __typename } }`,
    stop: `mutation { stopTurn(input: { target: { turnId: "${sent.turn.id}" } }) { __typename } }`,
    stream: `subscription { conversationEvents(conversationId: "${sent.conversation.id}") { cursor } }`,
    turn: `subscription { turnEvents(turnId: "${sent.turn.id}") { cursor } }`,
  });

  function requests(): Record<string, () => Promise<Told>> {
    const entries = Object.keys(operations()).flatMap((name): [string, () => Promise<Told>][] => {
      const accept = /^subscription/.test(operations()[name]!) ? 'text/event-stream' : 'application/json';
      return [
        [`${name} over HTTP`, () => overHttp(operations()[name]!, 'alice', accept)],
        [`${name} over a socket`, () => overSocket(operations()[name]!)],
      ];
    });
    return {
      ...Object.fromEntries(entries),
      'a new user': () => overHttp('{ viewer { user { id } } }', randomUUID()),
      'a new socket': greeting,
    };
  }

  const port = () => new URL(world.env.DATABASE_URL!).port || '5432';
  const name = () => new URL(world.env.DATABASE_URL!).pathname.slice(1);
  /** Ends every session of the product, and lets it have others or not. */
  const allow = (isOpen: boolean) =>
    asAdmin(async (client) => {
      await client.query(`ALTER DATABASE "${name()}" ALLOW_CONNECTIONS ${isOpen}`);
      await client.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND application_name = 'colloquy'",
        [name()],
      );
    });
  const rename = (from: string, to: string) => tableAway.query(`ALTER TABLE "${from}" RENAME TO "${to}"`);
  const tables = ['user_account', 'conversation', 'conversation_log', 'turn'];

  const faults: [what: string, cause: RegExp, begin: () => unknown, end: () => unknown][] = [
    [
      'whose connections are cut and refused',
      /ECONN|[Cc]onnection|reset/,
      async () => {
        link.limit(1); // whatever it answers, the connection ends
        link.reset();
      },
      () => link.heal(),
    ],
    [
      'whose administrator ends every session and lets none begin',
      /terminat|[Cc]onnection/,
      () => allow(false),
      () => allow(true),
    ],
    [
      'which does not know its tables any more',
      /does not exist/,
      async () => {
        for (const table of tables) await rename(table, `${table}_away`);
      },
      async () => {
        for (const table of tables) await rename(`${table}_away`, table);
      },
    ],
  ];

  it.each(faults)(
    '%s: nothing of it is in any answer, and the log has each cause under the id of the answer',
    async (what, cause, begin, end) => {
      const told: [name: string, Told][] = [];
      const failed = new Set<string>();
      const names = Object.keys(requests());
      const underWay = new Map(names.map((name) => [name, 0]));
      const count = (name: string, more: number) => void underWay.set(name, underWay.get(name)! + more);
      async function request(name: string): Promise<void> {
        count(name, 1);
        const answer = await requests()[name]!();
        count(name, -1);
        told.push([name, answer]);
        if (answer.errors.length > 0) failed.add(name);
      }
      /** One more of each, beside those that wait for the database to come back; then what is to become true. */
      const asking = (isDone: () => boolean) => () => {
        for (const name of names) if (underWay.get(name)! < 4) void request(name);
        return isDone();
      };

      await until(
        asking(() => told.length > 2 * names.length),
        'answers of a database that is there',
      );
      await begin();
      await until(
        asking(() => names.every((name) => failed.has(name))),
        'a failure of each',
      ).catch(() => {});
      await end();
      await until(() => [...underWay.values()].every((open) => open === 0), 'the last answers', 45_000);

      expect(
        names.filter((name) => !failed.has(name)),
        'what did not fail',
      ).toEqual([]);
      const logged = lines.map((line) => JSON.parse(line) as Line);
      for (const [name, { text, id, errors }] of told) {
        expect(text.replaceAll(apology, '').replaceAll(away, ''), name).not.toMatch(insides);
        expect(text, name).not.toContain(`:${port()}`);
        for (const { message, extensions } of errors) {
          const isAway = !what.includes('tables');
          const said = isAway ? [away, 'SERVICE_UNAVAILABLE'] : [apology, 'INTERNAL_SERVER_ERROR'];
          expect([message, extensions.code], name).toEqual(name === 'a new socket' ? [apology, '1013'] : said);
          if (id) expect(extensions.requestId, name).toBe(id);
          const line = logged.find(
            ({ msg, requestId }) => msg === 'an operation failed' && requestId === extensions.requestId,
          );
          if (name !== 'a new socket') expect(line?.err?.message, name).toMatch(cause);
        }
      }
      expect(raw.closed, 'the socket goes on').toBeNull();
      expect((await ask(alice, '[[say still here]]')).turn.status).toBe('COMPLETED');
    },
    120_000,
  );

  it.each(['over HTTP', 'over a socket'])(
    'ends a stream %s that has begun with the same sentence, and no other with it',
    async (way) => {
      await rename('event', 'event_away');
      const { text, id, errors } = await requests()[`turn ${way}`]!();
      await rename('event_away', 'event');
      expect(text).not.toMatch(insides);
      expect(errors).toMatchObject([
        { message: apology, extensions: { code: 'INTERNAL_SERVER_ERROR', ...(id ? { requestId: id } : {}) } },
      ]);
      const line = lines.find((line) => line.includes(errors[0]!.extensions.requestId!));
      expect((JSON.parse(line!) as Line).err?.message).toMatch(/does not exist/);
      expect(raw.closed).toBeNull();
    },
  );
});
