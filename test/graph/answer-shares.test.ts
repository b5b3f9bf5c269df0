import { describe, expect, it } from 'vitest';
import { AnswerBudget, AnswerShares } from '../../src/graph/budget/index.ts';
import { AnswerTooLargeError } from '../../src/kernel/errors.ts';

const limits = { answer: 1_000_000, user: 2_500_000, process: 5_000_000 };
const quick = { waitMs: 50, slowMs: 20, lookMs: 5 };
const patient = { waitMs: 10_000, slowMs: 10_000, lookMs: 5 };

function sharesOf(patience = patient) {
  const shares = new AnswerShares(limits, patience);
  const cuts: string[] = [];
  /** An answer to this user that holds so many bytes, or waits until it does. */
  const holding = (user: string, bytes: number) => {
    const cut = () => {
      cuts.push(user);
      budget.close();
    };
    const budget = new AnswerBudget(shares, { user, cut });
    let state: 'waits' | 'has it' | 'refused' = 'waits';
    const done = budget
      .readKnown(bytes, async () => {
        state = 'has it';
      })
      .catch((error: AnswerTooLargeError) => {
        state = 'refused';
        return error;
      });
    return { budget, done, state: () => state };
  };
  return { shares, holding, cuts };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('the budget of an answer', () => {
  it('charges what is read before it is read, and reads nothing beyond its limit', async () => {
    const { shares } = sharesOf();
    const budget = new AnswerBudget(shares, { user: 'alice', cut: () => {} });
    const seen: number[] = [];
    const read = async () => void seen.push(shares.use.bytes);
    await budget.readKnown(400_000, read);
    await budget.readKnown(600_000, read);
    expect(seen).toEqual([400_000, 1_000_000]);
    await expect(budget.readKnown(1, read)).rejects.toThrow(
      /takes 1000001 bytes of contents or more, and the limit is 1000000/,
    );
    expect(seen).toHaveLength(2);
    expect(budget.refusal).toMatchObject({ code: 'ANSWER_TOO_LARGE', retryable: false });
  });

  it('charges what stands in it each time that it does, and as it is written as JSON', () => {
    const { shares } = sharesOf();
    const budget = new AnswerBudget(shares, { user: 'alice', cut: () => {} });
    const text = '\u0001'.repeat(50_000); // six bytes each
    expect([1, 2, 3, 4].map(() => budget.chargeJson(text))).toEqual([true, true, true, false]);
    expect(budget.refusal?.message).toContain('1200008 bytes');
  });

  it('gives back what it did not need when it is made, and the rest when it was sent', async () => {
    const { shares } = sharesOf();
    const budget = new AnswerBudget(shares, { user: 'alice', cut: () => {} });
    expect(await budget.readWithin(256_000, async (room) => ({ value: room, bytes: 1_000 }))).toBe(256_000);
    expect(shares.use).toMatchObject({ bytes: 1_000, users: 1 });
    budget.charge(500);
    await budget.complete();
    expect(shares.use.bytes).toBe(1_500);
    budget.close();
    expect(shares.use).toEqual({ bytes: 0, waiting: 0, users: 0 });
    await expect(budget.readKnown(1, async () => 'read')).rejects.toThrow('has gone');
  });

  it('takes what it may hold at the most before it is made, where it has many objects', async () => {
    const { shares } = sharesOf();
    const [few, many] = [10, 1_000].map((objects) => {
      const budget = new AnswerBudget(shares, { user: 'alice', cut: () => {} });
      budget.expect(objects);
      return budget;
    });
    await few!.begin();
    expect(shares.use.bytes).toBe(0);
    await many!.begin();
    expect(shares.use.bytes).toBe(limits.answer);
    await many!.complete();
    expect(shares.use.bytes).toBe(limits.answer / 2);
  });

  it('gives back what it held whatever it was refused for, and however many reads it had under way', async () => {
    const { shares } = sharesOf();
    const budget = new AnswerBudget(shares, { user: 'alice', cut: () => {} });
    const reads = [300_000, 300_000, 300_000, 300_000].map((bytes) =>
      budget.readKnown(bytes, async () => bytes).catch(() => 'refused'),
    );
    expect(await Promise.all(reads)).toContain('refused');
    budget.close();
    expect(shares.use).toEqual({ bytes: 0, waiting: 0, users: 0 });
  });
});

describe('the shares of users and of the process', () => {
  it('let a user wait for their own answers, and nobody else with them', async () => {
    const { holding } = sharesOf();
    const mallory = Array.from({ length: 5 }, () => holding('mallory', 1_000_000));
    const alice = holding('alice', 1_000_000);
    await settled();
    expect(mallory.map(({ state }) => state())).toEqual(['has it', 'has it', 'waits', 'waits', 'waits']);
    expect(alice.state()).toBe('has it');
    mallory[0]!.budget.close();
    await settled();
    expect(mallory.map(({ state }) => state())).toEqual(['has it', 'has it', 'has it', 'waits', 'waits']);
  });

  it('serve whoever holds least first, whenever they came', async () => {
    const { holding } = sharesOf();
    const full = ['a', 'a', 'b'].map((user) => holding(user, 1_000_000));
    holding('d', 700_000); // three quarters of the process
    const late = [holding('a', 400_000), holding('b', 900_000), holding('c', 900_000)];
    await settled();
    expect(late.map(({ state }) => state())).toEqual(['waits', 'waits', 'waits']);
    full[1]!.budget.close();
    await settled();
    expect(late.map(({ state }) => state())).toEqual(['waits', 'waits', 'has it']);
  });

  it('leave room for small answers where large ones wait', async () => {
    const { holding } = sharesOf();
    const large = ['a', 'b', 'c', 'd', 'e'].map((user) => holding(user, 1_000_000));
    const small = ['f', 'g'].map((user) => holding(user, 100_000));
    await settled();
    expect(large.map(({ state }) => state())).toEqual(['has it', 'has it', 'has it', 'waits', 'waits']);
    expect(small.map(({ state }) => state())).toEqual(['has it', 'has it']);
  });

  it('refuse who has waited for too long, with the word that it may be tried again', async () => {
    const { shares, holding } = sharesOf({ ...quick, slowMs: 10_000 });
    const first = [holding('mallory', 1_000_000), holding('mallory', 1_000_000)];
    const third = holding('mallory', 1_000_000);
    expect(await third.done).toMatchObject({
      code: 'ANSWER_TOO_LARGE',
      retryable: true,
      message: expect.stringContaining(
        'your other answers under way hold 2000000 of the 2500000 bytes that one user may',
      ),
    });
    for (const { budget } of [...first, third]) budget.close();
    expect(shares.use).toEqual({ bytes: 0, waiting: 0, users: 0 });
  });

  it('cut off an answer that is taken too slowly where another waits, and none where nobody does', async () => {
    const { holding, cuts } = sharesOf(quick);
    const slow = [holding('mallory', 1_000_000), holding('mallory', 1_000_000)];
    await settled();
    for (const { budget } of slow) await budget.complete();
    await new Promise((resolve) => setTimeout(resolve, 2 * quick.slowMs));
    expect(cuts).toEqual([]);
    const next = holding('mallory', 1_000_000);
    await next.done;
    expect(next.state()).toBe('has it');
    expect(cuts).toEqual(['mallory']);
  });

  it('let whoever leaves the line go, and serve those behind', async () => {
    const { shares, holding } = sharesOf();
    const [first, second] = [holding('mallory', 1_000_000), holding('mallory', 1_000_000)];
    const waiting = holding('mallory', 1_000_000);
    await settled();
    waiting.budget.close();
    await waiting.done;
    expect(waiting.state()).toBe('refused');
    expect(shares.use).toMatchObject({ bytes: 2_000_000, waiting: 0 });
    for (const { budget } of [first, second]) budget.close();
    expect(shares.use).toEqual({ bytes: 0, waiting: 0, users: 0 });
  });

  it('refuse at once where a user has a thousand in line', async () => {
    const { holding } = sharesOf();
    const all = Array.from({ length: 1_003 }, () => holding('mallory', 1_000_000));
    await settled();
    expect(all.filter(({ state }) => state() === 'waits')).toHaveLength(1_000);
    expect(all.at(-1)!.state()).toBe('refused');
    for (const { budget } of all) budget.close();
    expect(await all.at(-1)!.done).toBeInstanceOf(AnswerTooLargeError);
  });

  it('refuse at once where answers that wait would fill the memory by themselves', async () => {
    const { shares, holding } = sharesOf();
    const [first, second] = [holding('mallory', 1_000_000), holding('mallory', 1_000_000)];
    const frames = Array.from({ length: 4 }, () => new AnswerBudget(shares, { user: 'mallory', cut: () => {} }));
    const ends = frames.map((frame) => {
      frame.charge(900_000); // it is there already
      return frame.complete().catch((error: AnswerTooLargeError) => error);
    });
    expect(await Promise.race([ends[2]!, settled()])).toBeInstanceOf(AnswerTooLargeError);
    expect(shares.use.waiting).toBe(2);
    for (const { budget } of [first, second]) budget.close();
    await Promise.all(ends.slice(0, 2));
    expect(frames.map(({ refusal }) => refusal?.retryable)).toEqual([undefined, undefined, true, true]);
  });

  it('never count more than they lend, whatever comes and goes', async () => {
    const { shares, holding } = sharesOf({ ...quick, waitMs: 5 });
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed % below;
    };
    const open: ReturnType<typeof holding>[] = [];
    for (let step = 0; step < 2_000; step++) {
      if (random(2) === 0) open.push(holding(`user ${random(5)}`, random(1_000_000)));
      else open.splice(random(open.length || 1), 1)[0]?.budget.close();
      expect(shares.use.bytes).toBeLessThanOrEqual(limits.process);
      expect(shares.use.bytes).toBeGreaterThanOrEqual(0);
      if (step % 50 === 0) await settled();
    }
    for (const { budget } of open) budget.close();
    await Promise.all(open.map(({ done }) => done));
    expect(shares.use).toEqual({ bytes: 0, waiting: 0, users: 0 });
  });
});
