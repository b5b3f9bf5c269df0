import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { countTokens } from '../../src/engine/token-count.ts';
import { ForkDocument, GuestDocument, RenewGuestDocument } from '../generated/graphql.ts';
import { createWorld, describeSettings, tokenFor, type World } from '../kit/app.ts';
import { createTestClient, type TestClient } from '../kit/client.ts';
import { ask, expectType, send, trySend } from '../kit/story.ts';

describeSettings('rates', ({ storage, redis }) => {
  let world: World;
  let apps: App[];

  beforeAll(async () => {
    world = await createWorld(storage, {
      redis,
      env: {
        TURNS_PER_MINUTE: 'ANONYMOUS:2,USER:5',
        OPENAI_MODELS: 'gpt-4o',
        GUEST_MAX_TOKENS: '300',
        GUESTS_PER_HOUR: '3',
      },
    });
    // The embedded database has one process.
    apps = [await world.start(), ...(redis ? [await world.start()] : [])];
  });
  afterAll(() => world.close());

  const clientsOf = (user: string): Promise<TestClient[]> => Promise.all(apps.map((app) => world.client(app, user)));

  it('let as many sends through as a user may begin in a minute, over all processes and whatever comes together', async () => {
    const clients = await clientsOf('many');
    const results = await Promise.all(
      Array.from({ length: 40 }, (_, index) => trySend(clients[index % clients.length]!, 'Hi')),
    );
    const names = results.map(({ __typename }) => __typename as string);
    expect(names.filter((name) => name === 'SendMessageSuccess')).toHaveLength(5);
    expect(names.filter((name) => name === 'RateLimitedError')).toHaveLength(35);
  });

  it('count a repeat for nothing, and answer it also where the limit is reached', async () => {
    const [client] = await clientsOf('repeats');
    const key = randomUUID();
    const first = await send(client!, 'Once', { key });
    for (let n = 0; n < 10; n++) expect((await send(client!, 'Once', { key })).turn.id).toBe(first.turn.id);
    for (let n = 0; n < 4; n++) await send(client!, `Another ${n}`);
    expect(await trySend(client!, 'One too many')).toMatchObject({
      __typename: 'RateLimitedError',
      code: 'RATE_LIMITED',
      retryable: true,
    });
    expect((await send(client!, 'Once', { key })).turn.id).toBe(first.turn.id);
  });

  it('come before what is dear: what is refused for them, and a repeat, counts no tokens and compiles no schema', async () => {
    const [client] = await clientsOf('dear');
    const key = randomUUID();
    const text = '語'.repeat(30_000);
    const short = randomUUID();
    await send(client!, text, { key });
    await send(client!, 'Short', { key: short });
    for (let n = 0; n < 3; n++) await send(client!, `Another ${n}`);
    const cpuOf = async (work: () => Promise<unknown>): Promise<number> => {
      const before = process.cpuUsage().user;
      await work();
      return (process.cpuUsage().user - before) / 1_000;
    };
    /** Twenty requests that are answered without a turn of their own. */
    const twenty = async (words: string, known: string) => {
      for (let n = 0; n < 10; n++)
        expect(await trySend(client!, words)).toMatchObject({ __typename: 'RateLimitedError' });
      for (let n = 0; n < 10; n++) await send(client!, words, { key: known });
    };
    const plain = await cpuOf(() => twenty('Short', short));
    const one = await cpuOf(() => countTokens(text));
    const dear = await cpuOf(() => twenty(text, key));
    console.info(
      `20 long sends: ${Math.round(dear)} ms of processor; 20 short ones: ${Math.round(plain)} ms; one count: ${Math.round(one)} ms`,
    );
    expect(dear - plain).toBeLessThan(8 * one);
    const unusable = { responseFormat: { type: 'object', properties: { a: { type: 'spoon' } } } };
    expect(await trySend(client!, 'Hi', { generation: unusable })).toMatchObject({ __typename: 'RateLimitedError' });
  });

  it('count a fork as a turn, since it may copy ten thousand messages', async () => {
    const [client] = await clientsOf('forks');
    const { conversation, userMessage } = await ask(client!, 'A first word');
    const fork = async () =>
      (await client!.request(ForkDocument, { id: conversation.id, fromMessageId: userMessage!.id })).forkConversation;
    for (let n = 0; n < 4; n++) expect((await fork()).__typename).toBe('ConversationSuccess');
    expect(await fork()).toMatchObject({ __typename: 'RateLimitedError' });
  });

  it('let guests use the default model alone, for short answers', async () => {
    const guest = createTestClient(apps[0]!.url!, await tokenFor('a guest', { roles: ['ANONYMOUS'] }));
    const marker = randomUUID();
    expect(await trySend(guest, 'Hi', { generation: { model: 'gpt-4o' } })).toMatchObject({
      __typename: 'ForbiddenError',
      message: 'Guests cannot use gpt-4o here: sign in, or choose gpt-4o-mini.',
    });
    expect(await trySend(guest, 'Hi', { conversation: { new: { model: 'gpt-4o' } } })).toMatchObject({
      __typename: 'ForbiddenError',
    });
    const talker = createTestClient(apps[0]!.url!, await tokenFor('a talkative guest', { roles: ['ANONYMOUS'] }));
    expect(await trySend(talker, 'Hi', { generation: { maxTokens: 16_000 } })).toMatchObject({
      __typename: 'ValidationError',
      message: 'input.generation.maxTokens: must be between 1 and 300',
    });
    await ask(await world.client(apps[0]!, 'somebody'), `${marker} signed in`);
    const refused = await trySend(guest, `${marker} too many`);
    expect(refused).toMatchObject({ __typename: 'RateLimitedError' });
    const other = createTestClient(apps[0]!.url!, await tokenFor('another guest', { roles: ['ANONYMOUS'] }));
    await ask(other, `${marker} guest`);
    const limits = world.model.calls
      .filter(({ messages }) => messages.some(({ content }) => content.startsWith(marker)))
      .map(({ generation }) => generation.max_tokens);
    expect(limits).toEqual([undefined, 300]);
  });

  it('let a guest, and nobody else, renew a token a few times an hour', async () => {
    const nobody = createTestClient(apps[0]!.url!, null);
    const { createGuestSession } = await nobody.request(GuestDocument, { displayName: 'Zoë' });
    const session = expectType(createGuestSession, 'GuestSessionSuccess');
    const renew = async (client: TestClient) => (await client.request(RenewGuestDocument, {})).renewGuestSession;
    let guest = createTestClient(apps[0]!.url!, session.token);
    for (let n = 0; n < 3; n++) {
      const renewed = expectType(await renew(guest), 'GuestSessionSuccess');
      expect(renewed).toMatchObject({
        anonymousId: session.anonymousId,
        user: { id: session.user.id, displayName: 'Zoë', isAnonymous: true },
      });
      guest = createTestClient(apps.at(-1)!.url!, renewed.token);
    }
    expect(await renew(guest)).toMatchObject({
      __typename: 'RateLimitedError',
      message: expect.stringMatching(/renewals of one guest/),
    });
    expect(await renew((await clientsOf('signed in'))[0]!)).toMatchObject({ __typename: 'ValidationError' });
    const { errors } = await nobody.execute(RenewGuestDocument, {});
    expect(errors).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED' } }]);
  });
});
