import type { Operation } from './operations.ts';
import type { Chance } from './random.ts';

const tokens = /"(?:[^"\\]|\\.)*"|\.\.\.|[A-Za-z_]\w*|-?\d[\d.eE+-]*|\S/g;
const junk = [
  '\u0000',
  '\ud83d',
  '\u202e',
  '\ufeff',
  '"',
  '"""',
  '#',
  '{',
  '}',
  '(',
  '[',
  '$',
  '@',
  '!',
  '...',
  '\\u{110000}',
  '9'.repeat(400),
  '1e999',
  'null',
  '🎈',
];
const values: unknown[] = [
  null,
  true,
  -1,
  0,
  1.5,
  1e308,
  2 ** 53,
  '',
  'x',
  'a\u0000b',
  '\ud83d',
  [],
  [[]],
  [null],
  {},
  { __typename: 'x' },
  { toString: 1 },
  { length: 1e9 },
];
const nest = (value: unknown, levels: number): unknown =>
  levels === 0 ? value : nest(levels % 2 ? [value] : { a: value }, levels - 1);

/** Ways to spoil a document. */
const spoil: ((query: string, chance: Chance) => string)[] = [
  (query, { below }) => {
    const at = below(query.length);
    return query.slice(0, at) + String.fromCharCode(query.charCodeAt(at) ^ (1 << below(7))) + query.slice(at + 1);
  },
  (query, chance) => changed(query, chance, () => ''),
  (query, chance) => changed(query, chance, (token) => `${token} ${token}`),
  (query, chance) => changed(query, chance, () => chance.pick(junk)),
  (query, chance) => changed(query, chance, (token) => `${token}${chance.pick(junk)}`),
  (query, chance) => changed(query, chance, () => chance.pick(query.match(tokens)!)),
  (query, { below }) => query.slice(0, below(query.length)),
  (query, { below }) => `${'{ viewer '.repeat(below(3_000))}${query}`,
  (query, { below }) => query.replace(/\(/, `(x: ${'['.repeat(below(4_000))}`),
  (query, { below }) => `${query} ${query.repeat(below(30))}`,
  (query) => query.replace(/"[^"]*"/g, '123456789012345678901234567890'),
  (query) => query.replace(/: -?\d+/g, ': "x"'),
  (query) => query.replace(/\b(first|last|limit|timeoutMs)\b/g, 'nothing'),
  (query, { pick }) => query.replace(/^\w+/, pick(['query', 'mutation', 'subscription', 'fragment', 'type', 'extend'])),
];

function changed(query: string, { below }: Chance, change: (token: string) => string): string {
  const count = query.match(tokens)!.length;
  const which = below(count);
  let at = 0;
  return query.replace(tokens, (token) => (at++ === which ? change(token) : token));
}

/** An operation whose document or variables are spoilt in one to three ways. It is still a well-formed request. */
export function mangledOperation(
  { query, variables, operationName }: Operation,
  chance: Chance,
): Record<string, unknown> {
  let text = query;
  const given = { ...variables };
  for (let time = 0; time <= chance.below(3); time++) {
    if (chance.percent(70) && text !== '') text = text.trim() === '' ? text : chance.pick(spoil)(text, chance);
    else
      for (const name of Object.keys(given))
        if (chance.percent(50)) given[name] = chance.percent(10) ? nest(1, chance.below(2_000)) : chance.pick(values);
  }
  if (chance.percent(5)) given.unknown = chance.pick(values);
  const extra = chance.percent(5)
    ? { extensions: chance.pick([null, {}, { persistedQuery: { version: 1, sha256Hash: 'x' } }]) }
    : {};
  return { query: text, variables: given, ...(operationName && chance.percent(80) ? { operationName } : {}), ...extra };
}

/** Bodies that are no request, or hardly one. */
const bodies: ((json: string, chance: Chance) => string | Buffer)[] = [
  (json, { below }) => json.slice(0, below(json.length)),
  (json) => `[${json},${json}]`,
  (json) => `"${json}"`,
  (json) => json.replace('"query":', '"query":1,"x":'),
  (json) => json.replace('"variables":{', '"variables":{"__proto__":{"isAdmin":true},'),
  (json) => json.replace('{', '{"__proto__":{"query":"{ x }"},"constructor":{"prototype":{}},'),
  (json) => json.replace(/\d+/, '1e400'),
  (json) => json.replace('"variables":', '"variables":[],"variables2":'),
  (json) => json.replace('"variables":', '"operationName":{},"variables":'),
  (json) => `\ufeff${json}`,
  (json, { below }) => {
    const bytes = Buffer.from(json);
    for (let time = 0; time < 3; time++) bytes[below(bytes.length)] = below(256);
    return bytes;
  },
  (json, { below }) => `${'['.repeat(below(50_000))}${json}`,
  () => '',
  () => 'null',
  () => Buffer.alloc(1_000, 0),
];

export const mangledBody = (json: string, chance: Chance): string | Buffer => chance.pick(bodies)(json, chance);
