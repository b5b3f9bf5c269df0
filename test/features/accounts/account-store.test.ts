import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { findAccount, insertAccount, updateProfile } from '../../../src/features/accounts/account-store.ts';
import { openDatabase } from '../../../src/platform/db.ts';
import { describeStatements } from '../../kit/databases.ts';

describeStatements('an account', ({ create }) => {
  it('is made once, and kept up to date', async () => {
    const place = await create();
    const database = await openDatabase(place);
    const { prisma } = database;
    const subject = randomUUID();
    const profile = { displayName: 'A', email: null, roles: ['USER' as const] };
    await Promise.all([1, 2, 3].map(() => insertAccount(prisma, { ...profile, subject, anonymousId: null })));
    const { id } = (await findAccount(prisma, subject))!;
    await updateProfile(prisma, id, { ...profile, displayName: 'B' });
    expect(await findAccount(prisma, subject)).toEqual({ ...profile, displayName: 'B', id });
    expect(await findAccount(prisma, randomUUID())).toBeNull();
    await database.close();
    await place.drop();
  });
});
