import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { appendMessages } from '../../../src/features/messages/index.ts';
import { insertTurn } from '../../../src/features/turns/index.ts';
import { type Bare, createBare } from '../../kit/bare.ts';
import { describeStatements } from '../../kit/databases.ts';
import { plant, plantUser } from '../../kit/volume.ts';

describeStatements('a message', (storage) => {
  let bare: Bare;
  let ownerId: string;
  let conversationId: string;

  beforeAll(async () => {
    bare = await createBare(storage);
    ownerId = await plantUser(bare.database);
    [conversationId] = (await plant(bare.database, { ownerId, conversations: 1, turns: 0 })) as [string];
  });
  afterAll(() => bare.close());

  /** A question, and the turn that it belongs to, or another. */
  const say = (turnId: string, madeId: string) =>
    bare.database.transact(async (tx) => {
      const [inputMessageId] = appendMessages(tx, { conversationId, turnId, parentId: null }, [
        { role: 'USER', status: 'COMPLETE', parts: [] },
      ]);
      await insertTurn(tx, {
        ...{
          id: madeId,
          conversationId,
          ownerId,
          trigger: 'SEND',
          idempotencyKey: randomUUID(),
          requestHash: 'a'.repeat(64),
        },
        ...{
          inputMessageId: inputMessageId!,
          leafBeforeId: null,
          provider: 'openai',
          model: 'gpt-4o-mini',
          generation: {},
          steersId: null,
        },
        isFirst: false,
      });
    });
  const messagesOf = (turnId: string) => bare.database.query('SELECT role FROM message WHERE turn_id = $1', [turnId]);

  it('is written with the turn that is made after it', async () => {
    const id = randomUUID();
    await say(id, id);
    expect(await messagesOf(id)).toEqual([{ role: 'USER' }]);
  });

  it('of a turn that is not made is refused by the commit, and nothing of that transaction stays', async () => {
    const [id, other] = [randomUUID(), randomUUID()];
    await expect(say(id, other)).rejects.toThrow('message_turn_id_fkey');
    expect([await messagesOf(id), await bare.database.query('SELECT 1 FROM turn WHERE id = $1', [other])]).toEqual([
      [],
      [],
    ]);
  });

  it('goes with its turn', async () => {
    const id = randomUUID();
    await say(id, id);
    await bare.database.query('DELETE FROM turn WHERE id = $1', [id]);
    expect(await messagesOf(id)).toEqual([]);
  });
});
