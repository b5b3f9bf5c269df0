import { getIntrospectionQuery, parse, print } from 'graphql';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { examples } from '../../src/app/workbench/example-operations.ts';
import { createWorld, describeSettings, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';

/** Each operation of a document, alone. */
const operationsOf = (text: string): string[] => parse(text).definitions.map((definition) => print(definition));

type Answer = { status: number; code: string | undefined; message: string | undefined };

describeSettings(
  'a query that asks for too much',
  ({ storage, redis }) => {
    let world: World;
    let app: App;
    let alice: TestClient;

    beforeAll(async () => {
      world = await createWorld(storage, { redis });
      app = await world.start();
      alice = await world.client(app);
    });
    afterAll(() => world.close());

    async function ask(query: string, variables = {}): Promise<Answer> {
      const headers = {
        'content-type': 'application/json',
        accept: 'application/graphql-response+json',
        authorization: `Bearer ${alice.token}`,
      };
      const response = await fetch(`${app.url}/graphql`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ query, variables }),
      });
      const { errors } = (await response.json()) as { errors?: { message: string; extensions: { code: string } }[] };
      return { status: response.status, code: errors?.[0]?.extensions.code, message: errors?.[0]?.message };
    }

    const nested = (depth: number) =>
      `{ conversations { nodes ${'{ messages { nodes { conversation '.repeat(depth)}{ id }${' } } }'.repeat(depth)} } }`;

    it.each([
      ['lists within lists', nested(3)],
      ['pages within pages', '{ conversations(first: 100) { nodes { messages(last: 100) { nodes { id } } } } }'],
      ['three thousand levels', `{ conversations { nodes ${'{ owner '.repeat(3_000)}{ id }${' }'.repeat(3_000)} } }`],
      [
        'a bomb of fragments',
        `{ conversations { nodes { ...f0 } } } ${Array.from({ length: 30 }, (_, n) => `fragment f${n} on Conversation { messages { nodes { conversation { ...f${n + 1} ...f${n + 1} } } } }`).join(' ')} fragment f30 on Conversation { id }`,
      ],
    ])('is refused: %s', async (_, query) => {
      const answer = await ask(query);
      expect(answer).toMatchObject({ status: 400, code: expect.stringMatching(/QUERY_TOO_COMPLEX/) });
    });

    it('is refused for what its variables say', async () => {
      const query = 'query ($n: Int) { conversations(first: $n) { nodes { messages(last: $n) { nodes { id } } } } }';
      expect(await ask(query, { n: 100 })).toMatchObject({
        code: 'QUERY_TOO_COMPLEX',
        message: expect.stringContaining('10100'),
      });
      expect(await ask(query, { n: 20 })).toMatchObject({ status: 200, code: undefined });
    });

    it('is refused when it is too long to be read', async () => {
      expect(await ask(`{ ${Array.from({ length: 3_000 }, (_, n) => `a${n}: __typename`).join(' ')} }`)).toMatchObject({
        status: 400,
        code: 'QUERY_TOO_COMPLEX',
      });
    });

    it('is not what GraphiQL asks, nor any of the examples', async () => {
      expect(await ask(getIntrospectionQuery({ inputValueDeprecation: true, specifiedByUrl: true }))).toMatchObject({
        status: 200,
        code: undefined,
      });
      expect(await ask(examples.read)).toMatchObject({ status: 200, code: undefined });
      const variables = { conversation: 'x', after: null, idempotencyKey: 'x', approval: 'x', argumentsSha256: 'x' };
      for (const [name, text] of Object.entries(examples).flatMap(([name, text]) =>
        operationsOf(text).map((each) => [name, each] as const),
      )) {
        const { code, message } = await ask(text, variables);
        expect(code, `${name}: ${message}`).not.toBe('QUERY_TOO_COMPLEX');
      }
    });
  },
  ({ storage, redis }) => storage.name === 'embedded' && !redis,
);
