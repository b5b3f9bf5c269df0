import { randomUUID } from 'node:crypto';
import {
  getIntrospectionQuery,
  getNamedType,
  getNullableType,
  isCompositeType,
  isListType,
  isObjectType,
} from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { schema } from '../../src/app/schema.ts';
import { costOf } from '../../src/graph/limits/list-cost.ts';
import { createWorld, tokenFor, type World } from '../kit/app.ts';
import { storages } from '../kit/databases.ts';
import { openAs, type RawSocket } from '../kit/raw-socket.ts';
import { resultsOverSse } from '../kit/sse.ts';

type Fault = { message: string; extensions: { code?: string } };
const many = (count: number, make: (at: number) => string) =>
  Array.from({ length: count }, (_, at) => make(at)).join(' ');
const nested = (open: string, inner: string, close: string, levels: number) =>
  `${open.repeat(levels)}${inner}${close.repeat(levels)}`;
const bomb = (levels: number, type: string, inner: (next: string) => string, last: string) =>
  `${many(levels, (at) => `fragment f${at} on ${type} { ${inner(`...f${at + 1}`)} }`)} fragment f${levels} on ${type} { ${last} }`;

/** What is refused, and what its message must name: the limit, and what came where that can be known. */
const refused: [what: string, query: string, words: RegExp][] = [
  [
    'three thousand levels',
    `{ conversations { nodes ${nested('{ owner ', '{ id }', ' }', 3_000)} } }`,
    /5000|15 levels/,
  ],
  ['twenty thousand levels', `{ ${nested('conversations { nodes { ', 'id', '} }', 10_000)} }`, /200000 characters/],
  [
    'sixteen levels',
    `{ conversations { nodes ${nested('{ messages { nodes { conversation ', '{ id }', ' } } }', 5)} } }`,
    /15 levels/,
  ],
  ['a list of fifty thousand levels', `{ nodes(ids: ${nested('[', '"x"', ']', 50_000)}) { id } }`, /5000|15 levels/],
  ['a list of two thousand levels', `{ nodes(ids: ${nested('[', '"x"', ']', 2_000)}) { id } }`, /20 levels|15 levels/],
  [
    'an object of a thousand levels',
    `mutation { createConversation(input: { metadata: ${nested('{ a: ', '1', '}', 1_000)} }) { __typename } }`,
    /20 levels/,
  ],
  ['a default of thirty levels', `query ($a: JSON = ${nested('[', '1', ']', 30)}) { __typename }`, /20 levels/],
  ['a very wide list', `{ nodes(ids: [${many(10_000, () => '"x"')}]) { id } }`, /5000/],
  ['ten thousand words', `{ ${many(10_000, () => '__typename')} }`, /5000/],
  [
    'a field four hundred times',
    `{ viewer { user { ${many(400, () => 'id')} } } }`,
    /400 fields beside each other.*200/,
  ],
  [
    'fragments beside each other',
    `{ viewer { ${many(300, () => '... on Viewer { user { id } }')} } }`,
    /300 fields beside each other.*200/,
  ],
  [
    'a mutation a thousand times',
    `mutation { ${many(1_000, (at) => `a${at}: createGuestSession { __typename }`)} }`,
    /5000|1000 fields/,
  ],
  [
    'a mutation sixty times',
    `mutation { ${many(60, (at) => `a${at}: createGuestSession { __typename }`)} }`,
    /60 fields at its root.*50/,
  ],
  [
    'three hundred aliases',
    `{ viewer { ${many(2, (n) => `user { ${many(150, (at) => `a${n}x${at}: id`)} }`)} } }`,
    /300 aliases.*200/,
  ],
  [
    'a text under sixty names, of a hundred messages',
    `{ conversations(first: 1) { nodes { messages(last: 100) { nodes { ${many(60, (at) => `a${at}: content`)} } } } } }`,
    /6\d\d\d objects.*5000/,
  ],
  [
    'fifty-one directives',
    `{ viewer { ${many(51, (at) => `a${at}: user @include(if: true) { id }`)} } }`,
    /51 directives.*50/,
  ],
  ['two thousand directives', `{ __typename ${many(2_000, () => '@skip(if: true)')} }`, /5000/],
  ['sixty operations', many(60, (at) => `query Q${at} { __typename }`), /60 operations.*50/],
  [
    'a bomb of fragments',
    `{ conversations { nodes { ...f0 } } } ${bomb(22, 'Conversation', (next) => `messages { nodes { conversation { ${next} ${next} } } }`, 'id')}`,
    /levels/,
  ],
  [
    'a bomb of aliases',
    `{ viewer { user { id } } conversations { nodes { ...f0 } } } ${bomb(22, 'Conversation', (next) => `a: owner { id } b: activeTurn { conversation { ${next} } } c: activeTurn { conversation { ${next} } }`, 'id')}`,
    /levels|objects/,
  ],
  [
    'parts of the schema under many names',
    `{ __schema { types { fields { type { fields { ${many(100, (at) => `a${at}: name`)} } } } } } }`,
    /\d objects.*5000/,
  ],
  [
    'parts of the schema in fragments',
    `{ __type(name: "Query") { ${many(20, (at) => `a${at}: fields { ...F }`)} } } fragment F on __Field { type { fields { name type { fields { name } } } } }`,
    /\d objects.*5000/,
  ],
  ['the schema six times', `{ ${many(6, (at) => `a${at}: __schema { types { fields { name } } }`)} }`, /6000 objects/],
];

describe('a document that asks for too much', () => {
  let world: World;
  let app: App;
  let token: string;
  let raw: RawSocket;

  beforeAll(async () => {
    world = await createWorld(storages[0]!);
    app = await world.start();
    token = await tokenFor('alice');
    raw = await openAs(app.url!, token);
  });
  afterAll(async () => {
    raw.socket.terminate();
    await world.close();
  });

  async function overHttp(query: string, variables = {}): Promise<{ status: number; errors: Fault[] | undefined }> {
    const headers = {
      'content-type': 'application/json',
      accept: 'application/graphql-response+json',
      authorization: `Bearer ${token}`,
    };
    const response = await fetch(`${app.url}/graphql`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ query, variables }),
    });
    return { status: response.status, errors: ((await response.json()) as { errors?: Fault[] }).errors };
  }
  async function overSocket(query: string, variables = {}): Promise<Fault[] | undefined> {
    const { type, payload } = await raw.ask(randomUUID(), { query, variables });
    return type === 'error' ? (payload as Fault[]) : (payload as { errors?: Fault[] }).errors;
  }
  const overSse = async (query: string): Promise<Fault[] | undefined> =>
    (await resultsOverSse({ url: app.url!, token }, query, {}).next()).value?.errors as Fault[] | undefined;

  it.each(refused)('is refused on every transport, with the limit: %s', async (_, query, words) => {
    const fault = [{ message: expect.stringMatching(words), extensions: { code: 'QUERY_TOO_COMPLEX' } }];
    expect(await overHttp(query)).toMatchObject({ status: 400, errors: fault });
    expect(await overSocket(query)).toMatchObject(fault);
    expect(await overSse(query)).toMatchObject(fault);
    expect(raw.closed).toBeNull();
  });

  it('is refused for the defaults of its variables as for their values', async () => {
    const query = (n: string) =>
      `query (${n}) { conversations(first: $n) { nodes { messages(last: $n) { nodes { id } } } } }`;
    for (const ask of [
      async (text: string, variables?: object) => (await overHttp(text, variables)).errors,
      overSocket,
    ]) {
      expect(await ask(query('$n: Int = 100'))).toMatchObject([
        { message: expect.stringContaining('10100'), extensions: { code: 'QUERY_TOO_COMPLEX' } },
      ]);
      expect(await ask(query('$n: Int = 100'), { n: 100 })).toBeDefined();
      expect(await ask(query('$n: Int = 100'), { n: 5 })).toBeUndefined();
      expect(await ask(query('$n: Int = 5'))).toBeUndefined();
    }
  });

  it('is refused where one event leads to more than an operation may ask for, and not where it leads to less or a snapshot does', async () => {
    const events = (kind: string, inner: string) =>
      `{ conversationEvents(conversationId: "x") { events { ...E } } } fragment E on ConversationEvent { ... on ${kind} { ${inner} } }`;
    const list = 'conversation { messages(last: 50) { nodes { parts { __typename ... on TextPart { text } } } } }';
    const long =
      'conversation { messages(last: 100) { nodes { siblings { parts { __typename } turn { attempts { id } } } } } }';
    for (const [kind, inner] of [
      ['MessageAddedEvent', `message { ${long} }`],
      ['TurnFinishedEvent', `turn { ${long} }`],
    ] as const)
      expect((await overHttp(events(kind, inner))).errors![0]!.extensions.code).toBe('QUERY_TOO_COMPLEX');
    const code = 'VALIDATION_FAILED'; // of the id
    const edges = (kind: string) =>
      `{ turn(id: "x") { events(first: 200) { edges { cursor node { ... on ${kind} { ${kind === 'SnapshotEvent' ? list : `message { ${long} }`} } } } } } }`;
    expect(await overHttp(edges('SnapshotEvent'))).toEqual({ status: 200, errors: undefined });
    expect((await overHttp(edges('MessageAddedEvent'))).errors![0]!.extensions.code).toBe('QUERY_TOO_COMPLEX');
    expect((await overHttp(events('SnapshotEvent', list))).errors![0]!.extensions).toMatchObject({ code });
    expect((await overHttp(events('MessageAddedEvent', `message { ${list} }`))).errors![0]!.extensions).toMatchObject({
      code,
    });
    expect(
      (await overHttp(events('TurnFinishedEvent', 'turn { usage { id } finalMessage { parts { __typename } } }')))
        .errors![0]!.extensions,
    ).toMatchObject({ code });
  });

  it('is refused where lists that hang on a message lead to one another', async () => {
    const inner = 'siblings { siblings { siblings { id } } }';
    expect((await overHttp(`{ message(id: "x") { ${inner} } }`)).errors![0]!.extensions.code).toBe('QUERY_TOO_COMPLEX');
    expect(
      await overHttp('{ conversation(id: "x") { messages(last: 50) { nodes { siblings { id } children { id } } } } }'),
    ).toEqual({
      status: 200,
      errors: undefined,
    });
  });

  it('is counted in every list of objects that the schema has', () => {
    const lists = Object.values(schema.getTypeMap()).flatMap((type) =>
      isObjectType(type) && !type.name.startsWith('__')
        ? Object.values(type.getFields()).filter(
            (field) => isListType(getNullableType(field.type)) && isCompositeType(getNamedType(field.type)),
          )
        : [],
    );
    // The list around them is counted, issues are those of one input, and nodes are named one by one.
    const short = ['edges', 'issues', 'nodes'];
    const counted = lists.filter((field) => {
      const cost = costOf(field);
      return 'snapshot' in cost || ('length' in cost && cost.length > 1);
    });
    expect(counted.length).toBeGreaterThan(10);
    expect([...new Set(lists.filter((field) => !counted.includes(field)).map(({ name }) => name))].sort()).toEqual(
      short,
    );
  });

  it('is refused alike whatever is refused first: a cycle of fragments ends nothing', async () => {
    const cycle = '{ viewer { ...a } } fragment a on Viewer { ...b } fragment b on Viewer { ...a user { id } }';
    expect((await overHttp(cycle)).errors![0]!.message).toMatch(/Cannot spread fragment/);
    expect((await overSocket(cycle))![0]!.extensions.code).toBe('GRAPHQL_VALIDATION_FAILED');
  });

  it('is told from one that does not: the whole schema, and fragments that are spread often', async () => {
    expect(
      (await overHttp(getIntrospectionQuery({ inputValueDeprecation: true, specifiedByUrl: true }))).errors,
    ).toBeUndefined();
    expect(
      (await overHttp('{ a: __type(name: "Query") { name fields { n: name type { of: name } } } }')).errors,
    ).toBeUndefined();
    expect(
      (await overHttp(`{ ...f0 } ${bomb(22, 'Query', (next) => `${next} ${next}`, '__typename')}`)).errors,
    ).toBeUndefined();
  });

  it('is refused in a time that does not grow with what it would have given', async () => {
    const time = async (levels: number) => {
      const start = performance.now();
      await overHttp(
        `{ conversations { nodes { ...f0 } } } ${bomb(levels, 'Conversation', (next) => `a: owner { id } messages { nodes { conversation { ${next} ${next} } } }`, 'id')}`,
      );
      return performance.now() - start;
    };
    await time(5);
    // From 5 levels to 200 the work would grow from 32 to 10^60.
    expect(await time(200)).toBeLessThan(5_000);
  });
});
