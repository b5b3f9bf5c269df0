import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createViewers } from '../../../src/features/accounts/index.ts';
import { UnauthenticatedError } from '../../../src/kernel/errors.ts';
import { type Database, type Db, openDatabase } from '../../../src/platform/db.ts';
import { createTokens } from '../../../src/platform/tokens.ts';
import { describeStatements, type TestDatabase } from '../../kit/databases.ts';

describeStatements('viewers', ({ create }) => {
  let place: TestDatabase;
  let database: Database;
  beforeAll(async () => {
    place = await create();
    database = await openDatabase(place);
  });
  afterAll(async () => {
    await database.close();
    await place.drop();
  });

  let elapsed = 0;
  const clock = { now: () => new Date(), elapsed: () => elapsed };
  const audience = 'colloquy';
  const tokens = createTokens({ secret: 's'.repeat(32), jwksUrl: null, issuer: 'colloquy', audience });
  const bearer = async (subject: string, claims: Partial<Parameters<typeof tokens.sign>[0]> = {}) =>
    `Bearer ${(await tokens.sign({ subject, roles: ['USER'], ttlSeconds: 600, ...claims })).token}`;
  const rowOf = (subject: string) => database.prisma.user.findUnique({ where: { subject } });

  /** The database, which tells of every statement about users before it is made. */
  const watched = (told: () => void): Db =>
    database.prisma.$extends({
      query: {
        user: {
          $allOperations({ args, query }) {
            told();
            return query(args);
          },
        },
      },
    }) as unknown as Db;

  function counted() {
    const count = { statements: 0 };
    const db = watched(() => {
      count.statements += 1;
    });
    return { count, viewers: createViewers({ db, tokens, clock }) };
  }

  describe('a request', () => {
    const viewers = () => createViewers({ db: database.prisma, tokens, clock });

    it('without a header is nobody', async () => {
      expect(await viewers().fromHeader(null)).toBeNull();
      expect(await viewers().fromHeader(undefined)).toBeNull();
    });

    it.each([
      ['nothing in the header', ''],
      ['no token', 'Bearer '],
      ['two words for a token', 'Bearer a b'],
      ['another scheme', 'Basic YTpi'],
      ['what a careless client sends', 'Bearer null'],
      ['20 KB', `Bearer ${'x'.repeat(20_000)}`],
    ])('with %s is refused', async (_what, header) => {
      const refusal = await viewers()
        .fromHeader(header)
        .catch((error: unknown) => error);
      expect(refusal).toBeInstanceOf(UnauthenticatedError);
      expect(refusal).toMatchObject({ message: new UnauthenticatedError().message });
    });

    it('with a good token is the viewer it names, made at first sight', async () => {
      const subject = randomUUID();
      const { token, expiresAt } = await tokens.sign({
        subject,
        roles: ['OPERATOR', 'USER'],
        name: 'Alice',
        ttlSeconds: 600,
      });
      const viewer = await viewers().fromHeader(`bearer  ${token} `);
      const row = await rowOf(subject);
      expect(viewer).toEqual({ userId: row?.id, roles: ['USER', 'OPERATOR'], expiresAt });
      expect(row).toMatchObject({ displayName: 'Alice', email: null, anonymousId: null, lastUsedAt: null });
    });

    it('of a user without a name calls them by their subject', async () => {
      const subject = randomUUID();
      await viewers().fromHeader(await bearer(subject));
      expect((await rowOf(subject))?.displayName).toBe(subject);
    });
  });

  describe('many requests of a new user at once', () => {
    it('make one account, in one process and in many', async () => {
      const subject = randomUUID();
      const header = await bearer(subject);
      const processes = Array.from({ length: 10 }, () => createViewers({ db: database.prisma, tokens, clock }));
      const seen = await Promise.all(
        Array.from({ length: 50 }, (_, at) => processes[at % processes.length]!.fromHeader(header)),
      );
      expect(new Set(seen.map((viewer) => viewer?.userId)).size).toBe(1);
      expect(await database.prisma.user.count({ where: { subject } })).toBe(1);
    });
  });

  describe('the account', () => {
    it('is not looked at again within a minute, and once after it', async () => {
      const { viewers, count } = counted();
      const header = await bearer(randomUUID());
      await viewers.fromHeader(header);
      count.statements = 0;
      for (let request = 0; request < 100; request += 1) await viewers.fromHeader(header);
      expect(count.statements).toBe(0);
      elapsed += 60_001;
      for (let request = 0; request < 100; request += 1) await viewers.fromHeader(header);
      expect(count.statements).toBe(1);
    });

    it('learns what a newer token says, and keeps what it leaves out', async () => {
      const { viewers, count } = counted();
      const subject = randomUUID();
      const first = await viewers.fromHeader(await bearer(subject, { name: 'Al' }));
      const second = await viewers.fromHeader(await bearer(subject, { name: 'Alice', roles: ['USER', 'ADMIN'] }));
      expect(second?.userId).toBe(first?.userId);
      expect(await rowOf(subject)).toMatchObject({ displayName: 'Alice', roles: ['USER', 'ADMIN'] });
      count.statements = 0;
      await viewers.fromHeader(await bearer(subject, { roles: ['USER', 'ADMIN'] }));
      expect(count.statements).toBe(1);
      expect(await rowOf(subject)).toMatchObject({ displayName: 'Alice', roles: ['USER', 'ADMIN'] });
    });

    it('is not hammered by two tokens that disagree', async () => {
      const { viewers, count } = counted();
      const subject = randomUUID();
      const headers = [await bearer(subject, { name: 'A' }), await bearer(subject, { name: 'B' })];
      for (const header of headers) await viewers.fromHeader(header);
      count.statements = 0;
      for (let request = 0; request < 20; request += 1) await viewers.fromHeader(headers[request % 2]);
      expect(count.statements).toBe(0);
    });

    it("cannot take a guest's id", async () => {
      const { viewers } = counted();
      const anonymousId = randomUUID();
      const thief = randomUUID();
      await viewers.fromHeader(await bearer(thief, { anonymousId }));
      expect((await rowOf(thief))?.anonymousId).toBeNull();
      await viewers.fromHeader(await bearer(`guest:${anonymousId}`, { roles: ['ANONYMOUS'], anonymousId }));
      expect(await rowOf(`guest:${anonymousId}`)).toMatchObject({ anonymousId, roles: ['ANONYMOUS'] });
    });

    it('that could not be reached is tried again by the next request', async () => {
      let isDown = true;
      const db = watched(() => {
        if (isDown) throw new Error('down');
      });
      const viewers = createViewers({ db, tokens, clock });
      const header = await bearer(randomUUID());
      await expect(viewers.fromHeader(header)).rejects.toThrow('down');
      isDown = false;
      expect(await viewers.fromHeader(header)).toMatchObject({ roles: ['USER'] });
    });
  });
});
