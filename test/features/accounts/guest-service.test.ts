import { afterAll, beforeAll, expect, it } from 'vitest';
import { createGuestService, createViewers } from '../../../src/features/accounts/index.ts';
import { systemClock } from '../../../src/kernel/clock.ts';
import { ValidationError } from '../../../src/kernel/errors.ts';
import { type Database, openDatabase } from '../../../src/platform/db.ts';
import { createTokens } from '../../../src/platform/tokens.ts';
import { describeStatements, type TestDatabase } from '../../kit/databases.ts';

describeStatements('guest sessions', ({ create }) => {
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

  const now = new Date('2026-01-02T03:04:05Z');
  const clock = { ...systemClock, now: () => now };
  const tokens = createTokens({
    secret: 's'.repeat(32),
    jwksUrl: null,
    issuer: 'colloquy',
    audience: 'colloquy',
    clock,
  });
  const guests = (allowGuests = true) =>
    createGuestService({
      db: database.prisma,
      tokens,
      count: async () => {},
      countRenewal: async () => {},
      allowGuests,
      hours: 24,
    });

  it('signs a guest in, whom the token stands for from then on', async () => {
    const session = await guests().start('  Zoë ', null);
    expect(session.expiresAt).toEqual(new Date('2026-01-03T03:04:05Z'));
    const viewer = await createViewers({ db: database.prisma, tokens, clock }).fromHeader(`Bearer ${session.token}`);
    expect(viewer).toEqual({ userId: session.userId, roles: ['ANONYMOUS'], expiresAt: session.expiresAt });
    expect(await database.prisma.user.findUnique({ where: { id: session.userId } })).toMatchObject({
      subject: `guest:${session.anonymousId}`,
      anonymousId: session.anonymousId,
      displayName: 'Zoë',
      roles: ['ANONYMOUS'],
      email: null,
      lastUsedAt: null,
    });
  });

  it('makes another guest each time, named or not', async () => {
    const sessions = await Promise.all([undefined, null, '', '\u200b'].map((name) => guests().start(name, null)));
    expect(new Set(sessions.map(({ userId }) => userId)).size).toBe(4);
    const users = await database.prisma.user.findMany({ where: { id: { in: sessions.map(({ userId }) => userId) } } });
    expect(users.map(({ displayName }) => displayName)).toEqual(['Guest', 'Guest', 'Guest', 'Guest']);
  });

  it('refuses a name that is too long, and makes nobody', async () => {
    const before = await database.prisma.user.count();
    const refusal = await guests()
      .start('x'.repeat(201), null)
      .catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(ValidationError);
    expect(refusal).toMatchObject({
      issues: [{ path: ['displayName'], message: 'must have at most 200 characters, but has 201' }],
    });
    expect(await database.prisma.user.count()).toBe(before);
  });

  it('takes none where guests are switched off', async () => {
    await expect(guests(false).start(null, null)).rejects.toThrow(ValidationError);
  });

  it('renews the token of a guest, who stays the same and keeps the name', async () => {
    const { userId, anonymousId } = await guests().start('Zoë', null);
    const viewers = createViewers({ db: database.prisma, tokens, clock });
    const renewed = await guests().renew({ userId, roles: ['ANONYMOUS'] });
    expect(renewed).toMatchObject({ userId, anonymousId, expiresAt: new Date('2026-01-03T03:04:05Z') });
    expect(await viewers.fromHeader(`Bearer ${renewed.token}`)).toMatchObject({ userId, roles: ['ANONYMOUS'] });
    expect(await database.prisma.user.findUnique({ where: { id: userId } })).toMatchObject({
      anonymousId,
      displayName: 'Zoë',
    });
  });

  it('renews nothing for those who are no guests, and where guests are switched off', async () => {
    const { userId } = await guests().start(null, null);
    const user = await database.prisma.user.create({
      data: { subject: 'somebody', displayName: 'Somebody', roles: ['USER'] },
    });
    await expect(guests().renew({ userId: user.id, roles: ['USER'] })).rejects.toThrow(
      'Only the token of a guest is renewed here',
    );
    await expect(guests().renew({ userId: user.id, roles: ['ANONYMOUS'] })).rejects.toThrow(
      'Only the token of a guest is renewed here',
    );
    await expect(guests(false).renew({ userId, roles: ['ANONYMOUS'] })).rejects.toThrow('This server takes no guests');
  });
});
