import type { Role } from '../../contracts/viewer.ts';
import type { Db } from '../../platform/db.ts';

/** What is known of a user from outside; the rest of the row belongs to us. */
export type Profile = { displayName: string; email: string | null; roles: Role[] };
export type Account = Profile & { id: string };

/** The account that tokens with this `sub` stand for. */
export const findAccount = (db: Db, subject: string): Promise<Account | null> =>
  db.user.findUnique({ where: { subject }, select: { id: true, displayName: true, email: true, roles: true } });

/** What a guest's token says of them; null for somebody who is none. */
export async function findGuest(db: Db, id: string): Promise<{ anonymousId: string; displayName: string } | null> {
  const row = await db.user.findUnique({ where: { id }, select: { anonymousId: true, displayName: true } });
  return row && row.anonymousId !== null ? { anonymousId: row.anonymousId, displayName: row.displayName } : null;
}

/** Makes the account unless there is one: of many that try at once, one makes it, and none of them fails. */
export async function insertAccount(db: Db, account: Profile & { subject: string; anonymousId: string | null }): Promise<void> {
  await db.user.createMany({ data: [account], skipDuplicates: true });
}

/** Writes what is known of the user now. */
export async function updateProfile(db: Db, id: string, { displayName, email, roles }: Profile): Promise<void> {
  await db.user.updateMany({ where: { id }, data: { displayName, email, roles } });
}
