import { randomUUID } from 'node:crypto';
import { type ExecutionResult, getNamedType, parse } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { schema } from '../../src/app/schema.ts';
import { fromGlobalId, toGlobalId } from '../../src/kernel/global-id.ts';
import {
  ConversationDocument,
  CreateDocument,
  GuestDocument,
  SendDocument,
  TurnDocument,
} from '../generated/graphql.ts';
import { createWorld, describeSettings, tokenFor, type World } from '../kit/app.ts';
import { createTestClient, type TestClient } from '../kit/client.ts';
import { toolsModule } from '../kit/journal.ts';
import { defaultOrFull } from '../kit/run-mode.ts';
import { nodeTypes, operationFor, type Place, placesOf, selectionOf } from '../kit/schema-walk.ts';
import { until } from '../kit/until.ts';

type Root = 'Query' | 'Mutation' | 'Subscription';
type Arguments = Record<string, unknown>;

/**
 * How a field is called with an id, and what makes one that the owner may spend, where a call changes what it names.
 */
type Call = {
  accepts: readonly string[];
  /** `ids` are the owner's own, for what takes more than one. */
  args: (id: string, ids: Record<string, string>) => Arguments;
  spend?:
    | 'conversation'
    | 'spoken'
    | 'message'
    | 'running'
    | 'runningIn'
    | 'waiting'
    | 'failed'
    | 'asked'
    | 'client'
    | 'clientCall';
};

const conversation = ['Conversation'];
const turn = ['Turn'];
const message = ['Message'];

/** The types whose objects belong to somebody. Models are everybody's who is signed in. */
const ownedTypes = nodeTypes(schema).filter((type) => type !== 'Model');

/** How to call every root field that takes an id. A field that is missing here fails the test below, which says so. */
const calls: Record<string, Call> = {
  'Query.conversation(id)': { accepts: conversation, args: (id) => ({ id }) },
  'Query.message(id)': { accepts: ['Message'], args: (id) => ({ id }) },
  'Query.turn(id)': { accepts: turn, args: (id) => ({ id }) },
  'Query.node(id)': { accepts: ownedTypes, args: (id) => ({ id }) },
  'Query.nodes(ids)': { accepts: ownedTypes, args: (id) => ({ ids: [id] }) },
  'Query.conversationEvents(conversationId)': { accepts: conversation, args: (conversationId) => ({ conversationId }) },
  'Subscription.conversationEvents(conversationId)': {
    accepts: conversation,
    args: (conversationId) => ({ conversationId }),
  },
  'Subscription.turnEvents(turnId)': { accepts: turn, args: (turnId) => ({ turnId }) },
  'Query.previewContext(conversationId)': { accepts: conversation, args: (conversationId) => ({ conversationId }) },
  'Subscription.replayTurn(turnId)': { accepts: turn, args: (turnId) => ({ turnId, speed: 100 }) },
  'Mutation.updateConversation(input.id)': {
    accepts: conversation,
    args: (id) => ({ input: { id, title: 'Taken' } }),
    spend: 'conversation',
  },
  'Mutation.generateTitle(id)': { accepts: conversation, args: (id) => ({ id }), spend: 'spoken' },
  'Mutation.archiveConversation(id)': { accepts: conversation, args: (id) => ({ id }), spend: 'conversation' },
  'Mutation.endConversation(id)': { accepts: conversation, args: (id) => ({ id }), spend: 'conversation' },
  'Mutation.deleteConversation(id)': { accepts: conversation, args: (id) => ({ id }), spend: 'conversation' },
  'Mutation.sendMessage(input.conversation.id)': {
    accepts: conversation,
    args: (id) => ({
      input: { conversation: { id }, content: { text: 'Whose is this? [[tokens 2]]' }, idempotencyKey: randomUUID() },
    }),
    spend: 'conversation',
  },
  'Mutation.regenerate(input.messageId)': {
    accepts: message,
    args: (messageId) => ({ input: { messageId, idempotencyKey: randomUUID() } }),
    spend: 'message',
  },
  'Mutation.editMessage(input.messageId)': {
    accepts: message,
    args: (messageId) => ({
      input: { messageId, content: { text: 'Taken [[tokens 2]]' }, idempotencyKey: randomUUID() },
    }),
    spend: 'message',
  },
  // The branch that is shown already, so that nothing changes.
  'Mutation.selectBranch(conversationId)': {
    accepts: conversation,
    args: (conversationId, { Message }) => ({ conversationId, leafId: Message }),
  },
  'Mutation.selectBranch(leafId)': {
    accepts: message,
    args: (leafId, { Conversation }) => ({ conversationId: Conversation, leafId }),
  },
  'Mutation.forkConversation(id)': {
    accepts: conversation,
    args: (id, { Message }) => ({ id, fromMessageId: Message }),
  },
  'Mutation.forkConversation(fromMessageId)': {
    accepts: message,
    args: (fromMessageId, { Conversation }) => ({ id: Conversation, fromMessageId }),
  },
  'Mutation.cancelQueuedTurn(turnId)': { accepts: turn, args: (turnId) => ({ turnId }), spend: 'waiting' },
  'Mutation.stopTurn(input.target.turnId)': {
    accepts: turn,
    args: (turnId) => ({ input: { target: { turnId } } }),
    spend: 'running',
  },
  'Mutation.stopTurn(input.target.conversationId)': {
    accepts: conversation,
    args: (conversationId) => ({ input: { target: { conversationId } } }),
    spend: 'runningIn',
  },
  'Mutation.steerTurn(input.turnId)': {
    accepts: turn,
    args: (turnId) => ({ input: { turnId, content: { text: 'Hurry' }, idempotencyKey: randomUUID() } }),
    spend: 'running',
  },
  'Mutation.decideApprovals(decisions.approvalId)': {
    accepts: ['Approval'],
    args: (approvalId, { sha256 = '0'.repeat(64) }) => ({
      decisions: [{ approvalId, argumentsSha256: sha256, decision: { approve: true } }],
    }),
    spend: 'asked',
  },
  'Mutation.submitToolOutputs(turnId)': {
    accepts: turn,
    args: (turnId, { GenericToolCall, clientCall = GenericToolCall }) => ({
      turnId,
      outputs: [{ toolCallId: clientCall, output: { result: { city: 'Oslo' } } }],
    }),
    spend: 'client',
  },
  'Mutation.submitToolOutputs(outputs.toolCallId)': {
    accepts: ['GenericToolCall'],
    args: (toolCallId, { Turn, clientTurn = Turn }) => ({
      turnId: clientTurn,
      outputs: [{ toolCallId, output: { result: { city: 'Oslo' } } }],
    }),
    spend: 'clientCall',
  },
  'Mutation.retryTurn(turnId)': {
    accepts: turn,
    args: (turnId) => ({ turnId, idempotencyKey: randomUUID() }),
    spend: 'failed',
  },
};

/** Keys that are no ids: the second key of a conversation, and a key that counts for its owner alone. */
const keyed: Record<string, (seed: Seed) => { mine: string; unknown: string }> = {
  'Query.conversationBySessionId(sessionId)': ({ sessionId }) => ({ mine: sessionId, unknown: randomUUID() }),
  'Query.turnByIdempotencyKey(key)': ({ key }) => ({ mine: key, unknown: randomUUID() }),
};

/** Ids that open nothing, and why. */
const harmless: Record<string, string> = {
  'Mutation.stopTurn(input.seen.messageId)':
    'is only compared with the answer of the turn that is stopped, which is the caller’s own',
  'Conversation.messages(leaf)':
    'opens a message of that very conversation and nothing else: test/flows/branches.test.ts',
  ...Object.fromEntries(
    ['sendMessage', 'editMessage', 'steerTurn'].map((field) => [
      `Mutation.${field}(input.content.parts.widgetResponse.messageId)`,
      'opens a message of that very conversation and nothing else: test/flows/widgets.test.ts',
    ]),
  ),
  'Query.previewContext(draft.parts.widgetResponse.messageId)': 'is not looked up',
  'Mutation.sendMessage(input.parentId)':
    'is only compared with the last message of the conversation, which is the caller’s own',
};

/**
 * Root fields that take no id: what they give belongs to the caller by their nature. The crawl below looks at what it
 * is.
 */
const withoutId = [
  'Query.viewer',
  'Query.models',
  'Query.conversations',
  'Query.conversationBySessionId',
  'Query.turnByIdempotencyKey',
  'Query.pendingApprovals',
  'Mutation.createConversation',
  'Mutation.createGuestSession',
  'Mutation.renewGuestSession',
];

const places = placesOf(schema, ['ID']);
const isRoot = ({ root }: Place): boolean => ['Query', 'Mutation', 'Subscription'].includes(root);

describe('the access matrix', () => {
  it('knows how to call everything that takes an id', () => {
    const unknown = places.map(({ name }) => name).filter((name) => !(name in calls) && !(name in harmless));
    expect(
      unknown,
      'say in `calls` of test/flows/access-matrix.test.ts how these are called, or in `harmless` why their ids open nothing',
    ).toEqual([]);
    const gone = [...Object.keys(calls), ...Object.keys(harmless)].filter(
      (name) => !places.some((place) => place.name === name),
    );
    expect(gone, 'these are not in the schema any more').toEqual([]);
  });

  it('knows every root field', () => {
    const fields = (['Query', 'Mutation', 'Subscription'] as const).flatMap((root) =>
      Object.keys((schema.getType(root) as ReturnType<typeof schema.getQueryType>)!.getFields()).map(
        (name) => `${root}.${name}`,
      ),
    );
    const known = new Set([...Object.keys(calls).map((name) => name.split('(')[0]!), ...withoutId]);
    expect(
      fields.filter((field) => !known.has(field)),
      'add these to `calls`, or to `withoutId` where they take no id',
    ).toEqual([]);
  });

  it('knows every other key by which something is looked up', () => {
    const required = placesOf(schema, ['String']).filter(
      ({ root, path }) => root === 'Query' && !path.includes('.') && path !== 'after' && path !== 'before',
    );
    expect(required.map(({ name }) => name).sort(), 'say in `keyed` how these are called').toEqual(
      Object.keys(keyed).sort(),
    );
  });
});

/** What ids call a type: calls of all tools are called alike. */
const nameInIds = (type: string): string => (type === 'GenericToolCall' ? 'ToolCall' : type);

/** What one person has: an id of every type. */
type Seed = { ids: Record<string, string>; sessionId: string; key: string };
type Person = { name: string; client: TestClient };

/**
 * How far one step of the crawl looks, in objects, and from how many of them: whatever lies further off is the next
 * step's.
 */
const { stepDepth, atOnce } = defaultOrFull({ stepDepth: 2, atOnce: 8 }, { stepDepth: 3, atOnce: 1 });

describeSettings(
  'what belongs to somebody',
  ({ storage }) => {
    let world: World;
    let owner: Person;
    let others: Person[];
    let nobody: Person;
    let seed: Seed;

    beforeAll(async () => {
      world = await createWorld(storage, {
        tokensPerSecond: 5_000,
        env: {
          TOOLS: toolsModule,
          MODEL_MAX_RETRIES: '0',
          MODEL_IDLE_TIMEOUT_MS: '600000',
          MAX_QUERY_OBJECTS: '1000000',
        },
      });
      const app = await world.start();
      owner = { name: 'the owner', client: await world.client(app, 'olga') };
      nobody = { name: 'nobody', client: await world.client(app, null) };
      const guest = await nobody.client.request(GuestDocument, {});
      if (guest.createGuestSession.__typename !== 'GuestSessionSuccess') throw new Error('no guest session');
      others = [
        { name: 'another user', client: await world.client(app, 'oscar') },
        { name: 'an admin', client: createTestClient(app.url!, await tokenFor('ada', { roles: ['USER', 'ADMIN'] })) },
        { name: 'a guest', client: createTestClient(app.url!, guest.createGuestSession.token) },
      ];
      seed = await furnish(owner.client);
      for (const { client } of others) await furnish(client);
    });
    afterAll(() => world.close());

    async function send(client: TestClient, text: string, into?: string) {
      const target = into ? { id: into } : { new: {} };
      const key = randomUUID();
      const { sendMessage } = await client.request(SendDocument, {
        input: { conversation: target, content: { text }, idempotencyKey: key },
      });
      if (sendMessage.__typename !== 'SendMessageSuccess') throw new Error(sendMessage.message);
      return {
        turnId: sendMessage.turn.id,
        conversationId: sendMessage.conversation.id,
        messageId: sendMessage.userMessage!.id,
        key,
      };
    }

    async function reaches(client: TestClient, id: string, ...statuses: string[]) {
      return until(
        async () => {
          const found = (await client.request(TurnDocument, { id })).turn;
          return found && statuses.includes(found.status) ? found : null;
        },
        `a turn that is ${statuses.join(' or ')}`,
      );
    }

    /** A finished, a failed, a running and a queued turn, with their messages and their account. */
    async function furnish(client: TestClient): Promise<Seed> {
      const sent = await send(client, 'Mine alone [[say a secret]]');
      const failed = await send(client, 'Fails [[fail 400]]');
      const running = await send(client, 'Runs [[hold]]');
      await send(client, 'Waits', running.conversationId);
      const asking = await send(client, 'Asks [[call book_appointment {"topic":"teeth","time":"09:00"}]]');
      const finished = await reaches(client, sent.turnId, 'COMPLETED');
      await reaches(client, failed.turnId, 'FAILED');
      await reaches(client, running.turnId, 'RUNNING');
      const [call] = (await reaches(client, asking.turnId, 'WAITING_APPROVAL')).toolCalls;
      const { sessionId, owner: user } = (await client.request(ConversationDocument, { id: sent.conversationId }))
        .conversation!;
      const ids = {
        Conversation: sent.conversationId,
        Message: sent.messageId,
        Turn: sent.turnId,
        Usage: finished.usage[0]!.id,
        User: user!.id,
      };
      Object.assign(ids, { GenericToolCall: call!.id, Approval: call!.approval!.id });
      return { ids, sessionId, key: sent.key };
    }

    /** Something of the owner's that a call may use up. */
    const spendable: Record<NonNullable<Call['spend']>, () => Promise<string>> = {
      async conversation() {
        const { createConversation } = await owner.client.request(CreateDocument, { input: {} });
        if (createConversation.__typename !== 'ConversationSuccess') throw new Error(createConversation.message);
        return createConversation.conversation.id;
      },
      async spoken() {
        const { conversationId, turnId } = await send(owner.client, 'To be named [[tokens 2]]');
        await reaches(owner.client, turnId, 'COMPLETED');
        return conversationId;
      },
      async message() {
        const { messageId, turnId } = await send(owner.client, 'To be said otherwise [[tokens 2]]');
        await reaches(owner.client, turnId, 'COMPLETED');
        return messageId;
      },
      async waiting() {
        const first = await send(owner.client, 'To be waited for [[hold]]');
        return (await send(owner.client, 'To be cancelled', first.conversationId)).turnId;
      },
      async running() {
        const { turnId } = await send(owner.client, 'To be stopped [[hold]]');
        await reaches(owner.client, turnId, 'RUNNING');
        return turnId;
      },
      async runningIn() {
        const { turnId, conversationId } = await send(owner.client, 'To be stopped there [[hold]]');
        await reaches(owner.client, turnId, 'RUNNING');
        return conversationId;
      },
      async asked() {
        const { turnId } = await send(
          owner.client,
          'To be allowed [[call book_appointment {"topic":"teeth","time":"09:00"}]]',
        );
        const [call] = (await reaches(owner.client, turnId, 'WAITING_APPROVAL')).toolCalls;
        seed.ids.sha256 = call!.approval!.argumentsSha256;
        return call!.approval!.id;
      },
      async client() {
        const { turnId } = await send(owner.client, 'To be located [[call get_location {}]]');
        seed.ids.clientTurn = turnId;
        seed.ids.clientCall = (await reaches(owner.client, turnId, 'WAITING_CLIENT_TOOL')).toolCalls[0]!.id;
        return turnId;
      },
      async clientCall() {
        await spendable.client();
        return seed.ids.clientCall!;
      },
      async failed() {
        const { turnId } = await send(owner.client, 'To be retried [[fail 400 times 1]]');
        await reaches(owner.client, turnId, 'FAILED');
        return turnId;
      },
    };

    async function ask(
      { client }: Person,
      root: Root,
      field: string,
      args: Arguments,
      depth = 2,
    ): Promise<ExecutionResult<Record<string, unknown>>> {
      const query = operationFor(schema, root, field, depth);
      if (root !== 'Subscription') return client.execute(parse(query) as never, args as never);
      for await (const result of client.socket().iterate<Record<string, unknown>>({ query, variables: args }))
        return result as never;
      throw new Error(`${field} ended without a word`);
    }

    /** An answer as a stranger may compare it: what was asked for is named alike. */
    const blurred = (answer: unknown, ...ids: string[]): string =>
      ids.reduce((text, id) => text.replaceAll(id, '<id>'), JSON.stringify(answer));

    /** What there is not: null, an error that says so, or, of a mutation, the refusal in its result. */
    function isAbsent(
      { data, errors }: ExecutionResult<Record<string, unknown>>,
      { root, field }: { root: string; field: string },
    ): boolean {
      if (errors)
        return (
          root !== 'Mutation' &&
          errors.length === 1 &&
          errors[0]!.extensions?.code === 'NOT_FOUND' &&
          data?.[field] == null
        );
      const value = data![field] as { __typename?: string } | null | (null | object)[];
      return (
        value === null ||
        (Array.isArray(value) ? value.every((each) => each === null) : value.__typename === 'NotFoundError')
      );
    }

    const refusesNobody = ({ data, errors }: ExecutionResult<Record<string, unknown>>): boolean =>
      ['UNAUTHENTICATED', 'QUERY_TOO_COMPLEX'].includes(String(errors?.[0]?.extensions?.code)) &&
      Object.values(data ?? {}).every((value) => value === null);

    it('has an object of every type that has ids', () => {
      expect(Object.keys(seed.ids).sort(), 'make one in `furnish`').toEqual(ownedTypes);
    });

    it('is not what models are: these are found by everybody who has a token, and by nobody else', async () => {
      const ask = (client: TestClient, query: string) =>
        client.execute(parse(query) as never, {}) as Promise<ExecutionResult<Record<string, never>>>;
      const [{ id }] = (await ask(owner.client, '{ models { id } }')).data!.models as unknown as [{ id: string }];
      expect(fromGlobalId(id)!.type).toBe('Model');
      for (const { client, name } of [owner, ...others])
        expect(
          (await ask(client, `{ node(id: "${id}") { __typename id ... on Model { name isDefault } } }`)).data,
          name,
        ).toEqual({
          node: { __typename: 'Model', id, name: 'gpt-4o-mini', isDefault: true },
        });
      expect((await ask(owner.client, `{ node(id: "${toGlobalId('Model', randomUUID())}") { id } }`)).data).toEqual({
        node: null,
      });
      for (const query of ['{ models { id } }', `{ node(id: "${id}") { id } }`])
        expect((await ask(nobody.client, query)).errors).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED' } }]);
    });

    const rootPlaces = places.filter((place) => isRoot(place) && place.name in calls);

    it.each(rootPlaces.map((place) => [place.name, place] as const))(
      'does not exist for others in %s',
      async (name, { root, field }) => {
        const { accepts, args } = calls[name]!;
        for (const type of ownedTypes) {
          const id = seed.ids[type]!;
          const unknown = toGlobalId(nameInIds(type), randomUUID());
          for (const person of [...others, nobody]) {
            const about = `${name} with the id of a ${type}, asked by ${person.name}`;
            // What all fields take is more than somebody without a token may send.
            const depth = person === nobody && root === 'Query' ? 0 : 1;
            const real = await ask(person, root as Root, field, args(id, seed.ids), depth);
            const none = await ask(person, root as Root, field, args(unknown, seed.ids), depth);
            expect(blurred(real, id), about).toBe(blurred(none, unknown));
            if (!accepts.includes(type)) continue;
            if (person === nobody)
              expect(refusesNobody(real), `${about}: ${JSON.stringify(real).slice(0, 300)}`).toBe(true);
            else expect(isAbsent(real, { root, field }), `${about}: ${JSON.stringify(real)}`).toBe(true);
          }
        }
      },
    );

    it.each(rootPlaces.map((place) => [place.name, place] as const))(
      'is there for its owner in %s',
      async (name, { root, field }) => {
        const { accepts, args, spend } = calls[name]!;
        for (const type of accepts) {
          const { data, errors } = await ask(
            owner,
            root as Root,
            field,
            args(spend ? await spendable[spend]() : seed.ids[type]!, seed.ids),
          );
          expect(errors, `${name} with the id of a ${type}`).toBeUndefined();
          const value = [data![field]].flat()[0] as { __typename: string } | null;
          expect(value?.__typename, JSON.stringify(value)).toMatch(root === 'Mutation' ? /Success$/ : /./);
        }
      },
    );

    it.each(Object.keys(keyed))('is found by its owner alone in %s', async (name) => {
      const [, field, arg] = /^Query\.(\w+)\((\w+)\)$/.exec(name)!;
      const { mine, unknown } = keyed[name]!(seed);
      expect((await ask(owner, 'Query', field!, { [arg!]: mine })).data![field!]).not.toBeNull();
      for (const person of others) {
        const answer = await ask(person, 'Query', field!, { [arg!]: mine });
        expect(answer, person.name).toEqual({ data: { [field!]: null } });
        expect(blurred(answer, mine)).toBe(blurred(await ask(person, 'Query', field!, { [arg!]: unknown }), unknown));
      }
      expect(refusesNobody(await ask(nobody, 'Query', field!, { [arg!]: mine }, 0))).toBe(true);
    });

    it('is not changed by anything that the others tried', async () => {
      const { conversation: now } = await owner.client.request(ConversationDocument, { id: seed.ids.Conversation! });
      expect(now).toMatchObject({
        title: 'Mine alone [[say a secret]]',
        status: 'ACTIVE',
        messageCount: 2,
        messages: { totalCount: 2 },
      });
    });

    it('does not block the idempotency key of another: keys count for each owner alone', async () => {
      const input = {
        conversation: { new: {} },
        content: { text: 'The same key [[tokens 2]]' },
        idempotencyKey: seed.key,
      };
      for (const { client } of others) {
        const { sendMessage } = await client.request(SendDocument, { input });
        expect(sendMessage).toMatchObject({ __typename: 'SendMessageSuccess', deduplicated: false });
      }
    });

    it('is not opened by its cursor', async () => {
      const { eventCursor } = (await owner.client.request(ConversationDocument, { id: seed.ids.Conversation! }))
        .conversation!;
      for (const person of others) {
        const { nodes } = (await ask(person, 'Query', 'conversations', { first: 1 }, 3)).data!.conversations as {
          nodes: { id: string }[];
        };
        for (const root of ['Query', 'Subscription'] as const) {
          const answer = await ask(person, root, 'conversationEvents', {
            conversationId: nodes[0]!.id,
            after: eventCursor,
          });
          expect(answer.errors?.[0]?.extensions?.code, JSON.stringify(answer)).toBe('STALE_CURSOR');
        }
      }
    });

    /** Every global id in an answer, and every field that led to something. */
    function gather(value: unknown, found: { ids: Set<string>; fields: Set<string> }, type = ''): void {
      if (typeof value === 'string' && fromGlobalId(value)) found.ids.add(value);
      if (Array.isArray(value)) for (const each of value) gather(each, found, type);
      if (value === null || typeof value !== 'object' || Array.isArray(value)) return;
      const { __typename = type, ...fields } = value as Record<string, unknown> & { __typename?: string };
      for (const [alias, inner] of Object.entries(fields)) {
        if (inner !== null && !(Array.isArray(inner) && inner.length === 0))
          found.fields.add(`${__typename}.${alias.split('_').at(-1)}`);
        gather(inner, found);
      }
    }

    /**
     * Everything that can be reached from what a person is given, step by step, with all fields of every object on the
     * way.
     */
    async function crawl({ client }: Person, from: Iterable<string>) {
      const found = { ids: new Set(from), fields: new Set<string>() };
      const roots = ['viewer', 'conversations'].map(
        (field) => `${field} ${selectionOf(schema, getNamedType(schema.getQueryType()!.getFields()[field]!.type), 3)}`,
      );
      gather(await client.request(parse(`{ ${roots.join(' ')} }`) as never, {} as never), found);
      const step = parse(
        `query($ids: [ID!]!) { nodes(ids: $ids) ${selectionOf(schema, schema.getType('Node') as never, stepDepth)} }`,
      );
      for (const seen = new Set<string>(); seen.size < found.ids.size; ) {
        // As many as the limit of objects lets one ask for.
        const next = [...found.ids].filter((id) => !seen.has(id)).slice(0, atOnce);
        for (const id of next) seen.add(id);
        gather(await client.request(step as never, { ids: next } as never), found);
      }
      return found;
    }

    /** It is a long way, and gone once. */
    let crawled: ReturnType<typeof crawl> | null = null;
    const ownersOwn = () => (crawled ??= crawl(owner, Object.values(seed.ids).filter(fromGlobalId)));

    // What leads where is said by the schema and the resolvers, whatever the storage: the way is walked over one.
    if (storage.name !== 'embedded') return;

    it('is not reached from anything that another has, whatever way is taken', async () => {
      const mine = await ownersOwn();
      expect(mine.ids.size).toBeGreaterThan(20);
      for (const type of ownedTypes)
        expect(
          [...mine.ids].some((id) => fromGlobalId(id)!.type === nameInIds(type)),
          type,
        ).toBe(true);
      for (const person of others) {
        const theirs = await crawl(person, []);
        expect(theirs.ids.size).toBeGreaterThan(8);
        expect(
          [...theirs.ids].filter((id) => mine.ids.has(id)),
          `${person.name} reaches what is the owner’s`,
        ).toEqual([]);
        const asked = await ask(person, 'Query', 'nodes', { ids: [...mine.ids].slice(0, 100) }, 1);
        expect(new Set(asked.data!.nodes as unknown[])).toEqual(new Set([null]));
      }
    }, 180_000); // a long way, and on a busy machine longer

    it('was looked for on every way that there is', async () => {
      const { fields } = await ownersOwn();
      const ways = ownedTypes.flatMap((type) =>
        Object.values((schema.getType(type) as ReturnType<typeof schema.getQueryType>)!.getFields())
          .filter((field) => 'getFields' in getNamedType(field.type))
          .map(({ name }) => `${type}.${name}`),
      );
      expect(ways.length).toBeGreaterThan(15);
      expect(
        ways.filter((way) => !fields.has(way)),
        'the owner of the seed has nothing there: furnish it',
      ).toEqual([]);
    });
  },
  ({ redis }) => !redis,
);
