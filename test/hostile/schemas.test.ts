import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkAnswer } from '../../src/engine/structured.ts';
import type { Json, JsonObject } from '../../src/kernel/json.ts';
import { JsonCheckThread } from '../../src/platform/json-check/index.ts';
import { describeSettings, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { longestSlice } from '../kit/longest-slice.ts';
import { joinWorld } from '../kit/shared-world.ts';
import { ask, trySend, turnOf } from '../kit/story.ts';

const object = (properties: JsonObject, more: JsonObject = {}): JsonObject => ({ type: 'object', properties, ...more });
const three = [{ type: 'string' }, { type: 'boolean' }, { type: 'object' }];
const list = (item: Json, count: number): string => JSON.stringify({ x: Array(count).fill(item) });
const nested = (depth: number, leaf: string): string => `${'{"x":'.repeat(depth)}${leaf}${'}'.repeat(depth)}`;

/** Definitions that each name the next one twice. */
function doubling(levels: number, word: string): JsonObject {
  const names = Array.from({ length: levels }, (_, index) => index);
  const $defs = Object.fromEntries(
    names.map((index) => [
      `a${index}`,
      { [word]: [{ $ref: `#/$defs/a${index + 1}` }, { $ref: `#/$defs/a${index + 1}` }] },
    ]),
  );
  return object({ x: { $ref: '#/$defs/a0' } }, { $defs: { ...$defs, [`a${levels}`]: { type: 'string' } } });
}

/** Comes back to itself twice at each level of the value. */
const twice = (word: string): JsonObject =>
  object({}, { [word]: [object({ x: { $ref: '#' } }), object({ x: { $ref: '#' } })] });
const many = { anyOf: Array.from({ length: 300 }, (_, index) => ({ const: index })) };

/** What takes longest to check, with a budget that was passed or by one who has passed it by. */
const attacks: [name: string, schema: JsonObject, answer: string][] = [
  ...['anyOf', 'allOf', 'oneOf'].map((word): [string, JsonObject, string] => [
    `${word} of 2^30`,
    doubling(30, word),
    '{"x":5}',
  ]),
  ...['anyOf', 'oneOf'].map((word): [string, JsonObject, string] => [
    `${word} that comes back twice`,
    twice(word),
    nested(60, '5'),
  ]),
  ['240,000 wrong items of three kinds', object({ x: { items: { anyOf: three } } }), list(1, 240_000)],
  ['items of 300 kinds', object({ x: { items: many } }), list(-1, 160_000)],
  [
    'unique objects',
    object({ x: { uniqueItems: true } }),
    JSON.stringify({ x: Array.from({ length: 40_000 }, (_, n) => ({ n })) }),
  ],
  [
    'names by the ten thousand',
    object({}, { additionalProperties: false }),
    JSON.stringify(Object.fromEntries(Array.from({ length: 30_000 }, (_, n) => [`n${n}`, n]))),
  ],
  ['required names by the thousand', object({}, { required: Array.from({ length: 2_000 }, (_, n) => `n${n}`) }), '{}'],
  ['a schema that is itself', object({}, { $ref: '#' }), '{}'],
  ['open brackets', object({}), '['.repeat(490_000)],
  ['nested without end', object({}), `{"x":${'['.repeat(200_000)}${']'.repeat(200_000)}}`],
  ['half a million small objects', object({ x: { items: { type: 'object' } } }), list({}, 160_000)],
  ['one text with escapes', object({ x: { type: 'string' } }), JSON.stringify({ x: '\u0001'.repeat(80_000) })],
  ['NULs', object({ x: { items: { type: 'string' } } }), list('\u0000', 50_000)],
  ['a fence around spaces', object({}), `\`\`\`json${' '.repeat(490_000)}`],
  ['digits', object({ x: { type: 'number' } }), `{"x":${'9'.repeat(490_000)}}`],
  ['ten times as much', object({}), list(1, 2_400_000)],
  ['contains at the end', object({ x: { contains: { const: 2 }, minContains: 10 } }), list(1, 240_000)],
];

describe('a schema and an answer of strangers', () => {
  const json = new JsonCheckThread('test');
  const format = (schema: JsonObject) => ({ name: 'answer', schema });

  beforeAll(() => json.check(object({}), '{}'));

  it('are checked without holding the process, whatever they are, and what takes too long is said to', async () => {
    for (const [name, schema, answer] of attacks) {
      let checked: unknown;
      const once = () =>
        longestSlice(async () => {
          checked = await checkAnswer(format(schema), [{ type: 'text', text: answer }], json);
        });
      // Four times the goal of 50 ms; what a busy machine adds is not in every round.
      const first = await once();
      expect.soft(first < 200 ? first : Math.min(await once(), await once()), name).toBeLessThan(200);
      expect.soft(checked, name).toSatisfy((result) => 'fault' in (result as object) || 'part' in (result as object));
    }
  }, 180_000);

  it('do not take the checks of others along', async () => {
    const killed = json.check(twice('anyOf'), nested(60, '5'));
    const others = Array.from({ length: 5 }, (_, index) =>
      json.check(object({ x: { const: index } }), `{"x":${index}}`),
    );
    expect(await killed).toEqual({ fault: expect.stringContaining('cannot be checked') });
    expect(await Promise.all(others)).toEqual(others.map((_, index) => ({ value: { x: index } })));
  });
});

describeSettings('an answer in a format that is poison', ({ storage, redis }) => {
  let world: World;
  let alice: TestClient;

  beforeAll(async () => {
    world = await joinWorld(storage, redis);
    alice = await world.client(await world.start());
  });
  afterAll(() => world.close());

  const answered = async (answer: string, schema: JsonObject) => {
    const { turn } = await ask(alice, `[[say ${answer}]]`, { generation: { responseFormat: schema } });
    return turnOf(alice, turn.id);
  };

  it.each([
    ['a NUL', '{"x":"a\\u0000b","\\u0000":1}', { x: 'a\ufffdb', '\ufffd': 1 }],
    ['half of a pair', '{"x":"\\ud800"}', { x: '\ufffd' }],
  ])('because of %s is stored as it can be', async (_, answer, data) => {
    const turn = await answered(answer, object({ x: { type: 'string' } }));
    expect(turn).toMatchObject({ status: 'COMPLETED', attempt: 1 });
    expect(turn.finalMessage!.parts.at(-1)).toMatchObject({ __typename: 'DataPart', data });
  });

  it('because it is nested without end is asked for once more for that reason, and then fails', async () => {
    world.model.setScript(({ messages }) =>
      messages[0]?.content === 'Nest.' ? [{ do: 'say', text: nested(4_000, '1') }] : [],
    );
    const sent = await ask(alice, 'Nest.', { generation: { responseFormat: object({}) } });
    world.model.setScript(null);
    const turn = await turnOf(alice, sent.turn.id);
    expect(turn).toMatchObject({ status: 'FAILED', attempt: 2, error: { code: 'VALIDATION_FAILED' } });
    expect(turn.error!.message).toContain('must not be nested deeper than 64 levels');
    expect(turn.usage).toHaveLength(2);
  });

  it.each([
    ['2^30 places', doubling(30, 'anyOf'), 'must not come to more than 10000 subschemas'],
    ['a reference to itself', object({}, { $ref: '#' }), 'must not refer to itself without end'],
    [
      '100 levels',
      JSON.parse(`{"type":"object","x":${'['.repeat(100)}${']'.repeat(100)}}`),
      'must not be nested deeper',
    ],
  ])('because of a schema with %s is refused before anything is stored', async (_, schema, message) => {
    const refused = await trySend(alice, 'Hello', { generation: { responseFormat: schema } });
    expect(refused).toMatchObject({ __typename: 'ValidationError', message: expect.stringContaining(message) });
  });
});
