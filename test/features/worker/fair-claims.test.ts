import { afterEach, beforeEach, expect, it } from 'vitest';
import { type ClaimedTurn, claimNew, claimNext } from '../../../src/features/worker/claiming/claim.ts';
import { type Bare, createBare } from '../../kit/bare.ts';
import { describeStatements } from '../../kit/databases.ts';
import { plantUsers, plantWaiting } from '../../kit/volume.ts';

const claimer = { worker: 'a worker', leaseMs: 60_000, perUser: 3 };

describeStatements('the next turn', (storage) => {
  let bare: Bare;

  beforeEach(async () => {
    bare = await createBare(storage);
  });
  afterEach(() => bare.close());

  let after: string | null = null;
  async function claim(perUser = claimer.perUser): Promise<ClaimedTurn | null> {
    const found = await claimNext(bare, { ...claimer, perUser, after });
    after = found?.turn.ownerId ?? after;
    return found?.turn ?? null;
  }
  /** Whose turns are claimed, one after the other, until there is none. */
  async function claimAll(perUser?: number, most = Number.POSITIVE_INFINITY): Promise<string[]> {
    const owners: string[] = [];
    for (let turn = await claim(perUser); turn; turn = owners.length < most ? await claim(perUser) : null)
      owners.push(turn.ownerId!);
    return owners;
  }
  const users = (count: number) => plantUsers(bare.database, count);
  const wait = (ownerIds: string[], count: number, first?: number) =>
    plantWaiting(bare.database, { ownerIds, count, first });

  it('is of the user who runs the fewest, and of those of who has waited longest', async () => {
    const [alice, bob, carol] = (await users(3)) as [string, string, string];
    await wait([alice], 200, 60_000);
    await wait([bob], 2, 10_000);
    await wait([carol], 2, 20_000);
    expect(await claimAll()).toEqual([alice, carol, bob, alice, carol, bob, alice]);
  });

  it('is the oldest of that user', async () => {
    const [alice] = (await users(1)) as [string];
    await wait([alice], 3);
    const ages: number[] = [];
    for (let turn = await claim(); turn; turn = await claim()) {
      const [row] = await bare.database.query<{ at: Date }>('SELECT created_at AS at FROM turn WHERE id = $1', [
        turn.id,
      ]);
      ages.push(row!.at.getTime());
    }
    expect(ages).toHaveLength(3);
    expect(ages).toEqual(ages.toSorted((a, b) => a - b));
  });

  it('is none of a user who runs as many as may, until one of those ends', async () => {
    const [alice] = (await users(1)) as [string];
    await wait([alice], 9);
    expect(await claimAll()).toHaveLength(3);
    await bare.database.query(
      `UPDATE turn SET status = 'COMPLETED', finished_at = now() WHERE id = (SELECT id FROM turn WHERE status = 'RUNNING' LIMIT 1)`,
    );
    expect(await claimAll()).toHaveLength(1);
  });

  it('is within a round that of everybody, where more users wait than one claim compares', async () => {
    const all = await users(120);
    await wait(all, 360);
    const claimed = await claimAll(3, 200);
    const rounds = all.map((user) => claimed.indexOf(user));
    expect(Math.min(...rounds)).toBe(0);
    // A claim compares some of them: who is not among those is, when it is their turn.
    expect(Math.max(...rounds)).toBeLessThan(160);
    expect((await claimAll(3)).length).toBe(160);
  });

  it('is one of nobody when there is no other: its owner may have left', async () => {
    const [alice, bob] = (await users(2)) as [string, string];
    await wait([alice], 1);
    await wait([bob], 5);
    await bare.database.query('UPDATE turn SET owner_id = NULL WHERE owner_id = $1', [alice]);
    expect(await claimAll()).toEqual([bob, bob, bob, null]);
  });

  it('is one whose worker was lost before any that waits, however many of its owner run', async () => {
    const [alice, bob] = (await users(2)) as [string, string];
    await wait([alice], 3);
    const [lost] = [await claim(), await claim(), await claim()];
    await wait([bob], 1);
    await bare.database.query(`UPDATE turn SET lease_until = now() - interval '1 second' WHERE id = $1`, [lost!.id]);
    expect(await claim()).toMatchObject({ id: lost!.id, recovering: true, deaths: 1, progress: 0 });
    expect(await claimAll()).toEqual([bob]);
  });

  it('is of those that go on after they waited for somebody no more than a user may run', async () => {
    const [alice, bob] = (await users(2)) as [string, string];
    await wait([alice], 8);
    await bare.database.query(
      `UPDATE turn SET status = 'RUNNING', attempt = 1, lease_until = now() - interval '1 second'`,
    ); // as a decision makes it
    await wait([bob], 1);
    expect(await claimAll()).toEqual([alice, alice, alice, bob]);
    await bare.database.query(`UPDATE turn SET status = 'COMPLETED', finished_at = now() WHERE worker IS NOT NULL`);
    expect(await claimAll()).toEqual([alice, alice, alice]);
  });

  async function admit(ownerId: string): Promise<boolean> {
    await wait([ownerId], 1, 0);
    const [{ id }] = (await bare.database.query<{ id: string }>(
      'SELECT id FROM turn ORDER BY created_at DESC LIMIT 1',
    )) as [{ id: string }];
    let isClaimed = false;
    const hear = () => {
      isClaimed = true;
    };
    await bare.database.transact(async (tx) =>
      claimNew(tx, { id, inputMessageId: null }, { ...claimer, maxMessages: 1 }, hear),
    );
    return isClaimed;
  }

  it('is the one that is being admitted, where its user may run one more and nobody waits', async () => {
    const [alice, bob] = (await users(2)) as [string, string];
    expect([await admit(alice), await admit(alice), await admit(alice)]).toEqual([true, true, true]);
    expect(await admit(alice)).toBe(false);
    expect(await admit(bob)).toBe(true); // whoever runs as many as may does not keep others waiting
  });

  it('is not the one that is being admitted, where another user waits who runs no more', async () => {
    const [alice, bob] = (await users(2)) as [string, string];
    await wait([bob], 1, 5_000);
    expect(await admit(alice)).toBe(false);
    expect(await claimAll(3, 2)).toEqual([bob, alice]);
    await wait([bob], 1, 5_000);
    expect(await admit(alice)).toBe(false);
  });

  it('is not the one that is being admitted, where one of the same user waits', async () => {
    const [alice] = (await users(1)) as [string];
    await wait([alice], 1, 5_000);
    expect(await admit(alice)).toBe(false);
  });
});
