import { afterAll, beforeAll, expect, it } from 'vitest';
import { toGlobalId } from '../../src/kernel/global-id.ts';
import { type Database, openDatabase } from '../../src/platform/db.ts';
import { createWorld, describeSettings, tokenFor, type World } from '../kit/app.ts';
import { createProcesses, type Process, type Processes } from '../kit/processes.ts';
import { rssOf, rssWhile } from '../kit/rss.ts';
import { plant } from '../kit/volume.ts';

const megabyte = 1_000_000;
const messages = 82;
const characters = 32_000;

type Answer = {
  status: number;
  bytes: number;
  ms: number;
  body: { data?: unknown; errors?: { message: string; extensions: { code: string; retryable: boolean } }[] } | null;
};

describeSettings(
  'somebody who asks for answers that are too large',
  ({ storage }) => {
    let world: World;
    let processes: Processes;
    let server: Process;
    /** A process that nobody asks for anything. */
    let idler: Process;
    let database: Database;
    const ids: Record<string, string> = {};

    beforeAll(async () => {
      world = await createWorld(storage);
      processes = createProcesses();
      database = await openDatabase({ url: world.env.DATABASE_URL!, dataDir: null, poolSize: 2 });
      for (const name of ['mallory', 'alice']) {
        const { id: ownerId } = await database.prisma.user.create({
          data: { subject: name, displayName: name, roles: ['USER'] },
        });
        const [conversation] = await plant(database, { ownerId, conversations: 1, turns: messages / 2, title: name });
        ids[name] = toGlobalId('Conversation', conversation!);
        if (name === 'mallory')
          await database.query(
            `UPDATE message SET content_length = $2, parts = jsonb_build_array(jsonb_build_object('type', 'text', 'text', repeat('abcdefgh', $2 / 8)))
             WHERE conversation_id = $1::uuid AND role = 'USER'`,
            [conversation, characters],
          );
      }
      [server, idler] = await Promise.all([processes.start(world.env), processes.start({ ...world.env, ROLE: 'api' })]);
    }, 120_000);
    afterAll(async () => {
      await processes.close();
      await database.close();
      await world.close();
    });

    async function ask(user: string, query: string): Promise<Answer> {
      const start = performance.now();
      const headers = { 'content-type': 'application/json', authorization: `Bearer ${await tokenFor(user)}` };
      const response = await fetch(`${server.url}/graphql`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ query }),
      });
      const bytes = await response.arrayBuffer();
      const body = bytes.byteLength < megabyte ? JSON.parse(Buffer.from(bytes).toString()) : null;
      return { status: response.status, bytes: bytes.byteLength, ms: performance.now() - start, body };
    }

    const pages = (user: string, aliases: number) =>
      `{ ${Array.from({ length: aliases }, (_, at) => `a${at}: conversation(id: "${ids[user]}") { messages(first: ${messages}) { nodes { content } } }`).join(' ')} }`;

    const small = (): Promise<Answer> =>
      ask('alice', `{ conversation(id: "${ids.alice}") { title messages(last: 20) { nodes { role content } } } }`);

    /** How long the health check of a process takes, in milliseconds. */
    async function healthOf({ url }: Process): Promise<number> {
      const start = performance.now();
      expect((await fetch(`${url}/healthz`)).status).toBe(200);
      return performance.now() - start;
    }

    /**
     * What others get meanwhile, again and again: the health check, beside that of a process that does nothing, and a
     * small question of alice's.
     */
    async function besides(
      done: Promise<unknown>,
    ): Promise<{ health: number[]; control: number[]; answers: Answer[] }> {
      let isDone = false;
      void done.finally(() => {
        isDone = true;
      });
      const seen = { health: [] as number[], control: [] as number[], answers: [] as Answer[] };
      while (!isDone) {
        seen.control.push(await healthOf(idler));
        seen.health.push(await healthOf(server));
        seen.answers.push(await small());
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      return seen;
    }

    /**
     * Carries an attack out: what came of it, how much memory the process was seen with above `idle`, and what others
     * got.
     */
    async function measured(name: string, attack: Promise<Answer[]>, idle: number, most: number) {
      const [answers, { peak }, others] = await Promise.all([attack, rssWhile(server.pid, attack), besides(attack)]);
      const grown = peak - idle;
      const [health, control] = [Math.max(...others.health), Math.max(...others.control)];
      const kinds = new Set(
        answers.map(
          ({ body }) =>
            `${body?.errors?.[0]?.extensions.code ?? 'answered'}${body?.errors?.[0]?.extensions.retryable ? ', retryable' : ''}`,
        ),
      );
      console.info(
        `${name}: ${Math.round(grown / megabyte)} MB above idle; health ${Math.round(health)} ms at the most of ${others.health.length}, beside ${Math.round(control)} ms; ${[...kinds].join('; ')}`,
      );
      expect(grown).toBeLessThan(most * megabyte);
      for (const { status, body } of others.answers) expect({ status, errors: body?.errors }).toEqual({ status: 200 });
      return { answers, late: health - control };
    }

    it('takes no memory from the process and no time from the others, and is told what to ask for instead', async () => {
      // What every process has after its first answers.
      for (let round = 0; round < 10; round++)
        await Promise.all(['alice', 'mallory'].map((user) => ask(user, pages(user, 2))));
      const idle = await rssOf(server.pid);
      const many = (count: number, aliases: number) =>
        Promise.all(Array.from({ length: count }, () => ask('mallory', pages('mallory', aliases))));

      const rounds = [];
      for (let round = 0; round < 3; round++)
        rounds.push(await measured('48 x 82 messages, 30 at once', many(30, 48), idle, 150));
      // At four times the goal, and beside a process that does nothing: machines that run tests are small and busy.
      expect(Math.min(...rounds.map(({ late }) => late))).toBeLessThan(4 * 200);
      const refused = rounds.flatMap(({ answers }) => answers);
      for (const { body } of refused)
        expect(body?.errors).toMatchObject([{ extensions: { code: 'ANSWER_TOO_LARGE' } }]);
      const [whole] = refused.filter(({ body }) => !body!.errors![0]!.extensions.retryable);
      expect(whole).toMatchObject({
        status: 413,
        body: {
          errors: [
            { message: expect.stringMatching(/takes \d+ bytes.*limit is 8000000: ask for fewer or smaller pages/) },
          ],
        },
      });

      // As large as an answer may be: they come one after another, or wait too long. What has been sent is garbage,
      // which is not collected at once.
      const { answers: allowed } = await measured('5 x 82 messages, 30 at once', many(30, 5), idle, 400);
      const [given, late] = [
        allowed.filter(({ status }) => status === 200),
        allowed.filter(({ status }) => status !== 200),
      ];
      expect(given.length).toBeGreaterThan(2);
      for (const { bytes } of given) expect(bytes).toBeGreaterThan((5 * messages * characters) / 2);
      for (const { body } of late)
        expect(body?.errors).toMatchObject([{ extensions: { code: 'ANSWER_TOO_LARGE', retryable: true } }]);
      expect(await small()).toMatchObject({ status: 200 });
    }, 120_000);
  },
  ({ storage }) => storage.name === 'postgres',
);
