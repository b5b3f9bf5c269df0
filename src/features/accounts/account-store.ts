import type { Role } from '../../contracts/viewer.ts';
import type { Db, Transaction } from '../../platform/db.ts';

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
export async function insertAccount(
  db: Db,
  account: Profile & { subject: string; anonymousId: string | null },
): Promise<void> {
  await db.user.createMany({ data: [account], skipDuplicates: true });
}

/** Writes what is known of the user now. */
export async function updateProfile(db: Db, id: string, { displayName, email, roles }: Profile): Promise<void> {
  await db.user.updateMany({ where: { id }, data: { displayName, email, roles } });
}

/**
 * Counts tokens that were used for a user: last in a transaction, since a user may have many turns that end at once.
 */
export const addTokens = (tx: Transaction, userId: string, tokens: number): void =>
  tx.last(
    'UPDATE user_account SET total_tokens_used = total_tokens_used + $2::int, last_used_at = now() WHERE id = $1::uuid',
    [userId, tokens],
  );

/** For answers: read in one statement with whatever other users are asked for at that moment. */
export const findUser = (db: Db, id: string) => db.user.findUnique({ where: { id } });

/** Joins the account of a user, if there still is one. */
export const leftJoinUser = (alias: string, id: string): string =>
  `LEFT JOIN user_account ${alias} ON ${alias}.id = ${id}`;
