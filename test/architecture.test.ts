import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cyclesOf, type Rule, readSources, roomOf, rules, survey } from './kit/architecture.ts';
import { isSeam } from './kit/seams.ts';

const sources = readSources(resolve('src'));
const house = survey(sources);

/** Broken knowingly: what, and why. An excuse that nobody needs any more fails too. */
const excused: Partial<Record<Rule, Record<string, string>>> = {
  'functions are short': {},
  'functions take at most four things in order': {
    'app/front/socket-operations.ts onNext:': 'graphql-ws calls it so',
  },
};

describe('the house', () => {
  it('was looked at: its files, its rooms and the ways between them', () => {
    expect(house.files.size).toBeGreaterThan(120);
    expect(house.edges.length).toBeGreaterThan(400);
    expect(house.packages.length).toBeGreaterThan(80);
    expect(new Set([...house.files.keys()].map(roomOf)).size).toBeGreaterThanOrEqual(14);
    for (const { from, to } of house.edges)
      expect(house.files.has(to) || to.startsWith('generated/'), `${from} imports ${to}`).toBe(true);
  });

  it.each(Object.keys(rules) as Rule[])('%s', (rule) => {
    const excuses = Object.keys(excused[rule] ?? {});
    const offences = rules[rule](house);
    expect(offences.filter((offence) => !excuses.some((excuse) => offence.startsWith(excuse)))).toEqual([]);
    expect(excuses.filter((excuse) => !offences.some((offence) => offence.startsWith(excuse)))).toEqual([]);
  });
});

describe('the seams on private parts of dependencies', () => {
  const seams = [...sources].filter(([file, text]) => isSeam(file, text)).map(([file]) => file);

  it('are found', () => expect(seams.length).toBeGreaterThanOrEqual(9));

  it.each(seams)('%s has a test of the real dependency', (file) => {
    expect(existsSync(resolve('test', file.replace(/\.m?[tj]s$/, '.test.ts')))).toBe(true);
  });
});

const filler = (count: number): [string, string][] =>
  Array.from({ length: count }, (_, index) => [`kernel/filler-${index}.ts`, '']);

/** Of each rule, a house that breaks it in just these places. */
const planted: Record<Rule, { house: Record<string, string>; offences: number }> = {
  'no import goes upstairs': {
    house: {
      'kernel/a.ts': "import { b } from '../contracts/b.ts';",
      'graph/context.ts':
        "import type { S } from '../features/turns/index.ts';\nimport { run } from '../engine/index.ts';",
      'events/log.ts': "const late = () => import('../features/turns/index.ts');",
      'contracts/c.ts': "export * from '../platform/db.ts';",
    },
    offences: 5,
  },
  'every folder has a floor': { house: { 'cellar/a.ts': '', 'engine/a.ts': '' }, offences: 1 },
  'machines never know one another': {
    house: { 'engine/a.ts': "import type { Bus } from '../events/index.ts';", 'events/b.ts': "import './c.ts';" },
    offences: 1,
  },
  'of the two drivers, only graph knows the other, and only its types': {
    house: {
      'graph/a.ts': "import { openDatabase } from '../platform/db.ts';",
      'graph/b.ts': "import type { Db } from '../platform/db.ts';",
      'platform/c.ts': "import type { Context } from '../graph/context.ts';",
    },
    offences: 2,
  },
  'the engine is pure': {
    house: {
      'engine/a.ts':
        "import type { Db } from '../platform/db.ts';\nimport { readFile } from 'node:fs/promises';\nimport '../kernel/async.ts';",
    },
    offences: 2,
  },
  'a feature is entered by its two doors': {
    house: {
      'features/turns/a.ts':
        "import { find } from '../conversations/message-store.ts';\nimport { open } from '../conversations/index.ts';",
      'app/schema.ts': "import '../features/turns/graph.ts';",
      'app/b.ts': "import type { T } from '../features/turns/store/turn-store.ts';",
    },
    offences: 2,
  },
  'the domain door of a feature never reaches GraphQL': {
    house: {
      'features/turns/index.ts': "export { send } from './service.ts';\nexport type { T } from '../tools/index.ts';",
      'features/turns/service.ts':
        "import type { Page } from '../../graph/lists/paging.ts';\nimport { Turn } from './types.ts';",
      'features/turns/types.ts': "import { builder } from '@pothos/core';",
      'features/tools/index.ts': "export { ToolCall } from './graph.ts';",
      'features/usage/index.ts': "export { sum } from './usage-store.ts';",
    },
    offences: 3,
  },
  'a table is named by the files of the room that owns it': {
    house: {
      'features/turns/index.ts': '/** Turns. Owns the table `turn`. */',
      'features/usage/index.ts': '/** Usage: the ledger. Owns tables `usage` and\n * `price`. */',
      'features/turns/a.ts':
        "const a = `SELECT 1 FROM turn t JOIN usage u ON true`; const b = db.turn.findMany(); const c = 'UPDATE price SET x = 1';",
      'features/usage/b.ts':
        "const d = prisma.turn.count(); const e = { table: 'turn' }; const f = `WITH x AS (y) DELETE FROM turn`; const g = from.turn.count;",
      'graph/c.ts': 'const h = `INSERT INTO usage VALUES (1)`;',
    },
    offences: 4,
  },
  'every table has an owner': {
    house: { 'features/turns/a.ts': "const a = 'SELECT 1 FROM turn t';", 'features/usage/b.ts': "'FROM nothing'" },
    offences: 1,
  },
  'features know only earlier features': {
    house: {
      'app/schema.ts':
        "import '../features/accounts/graph.ts';\nimport '../features/usage/graph.ts';\nimport '../features/turns/graph.ts';",
      'features/accounts/a.ts': "import type { T } from '../turns/index.ts';",
      'features/turns/a.ts': "import { c } from '../usage/index.ts';\nimport { q } from '../quotas/index.ts';",
    },
    offences: 1,
  },
  'no feature leads back to itself': {
    house: {
      'features/accounts/a.ts': "import type { T } from '../turns/index.ts';",
      'features/turns/b.ts': "import { c } from '../accounts/index.ts';\nimport { d } from './c.ts';",
    },
    offences: 1,
  },
  'every schema door has a place in the order': {
    house: {
      'app/schema.ts': "import '../features/turns/graph.ts';",
      'features/rumours/graph.ts': '',
      'features/turns/graph.ts': '',
    },
    offences: 1,
  },
  'machines are entered by their front doors': {
    house: {
      'features/turns/a.ts':
        "import { tail } from '../../events/tail.ts';\nimport { log } from '../../events/index.ts';",
    },
    offences: 1,
  },
  'no import leads back to itself': {
    house: {
      'kernel/a.ts': "import './b.ts';",
      'kernel/b.ts': "import type { C } from './c.ts';",
      'kernel/c.ts': "export * from './a.ts';",
    },
    offences: 1,
  },
  'the environment is read in one place': {
    house: { 'platform/a.ts': 'const url = process.env.URL;', 'app/config.ts': 'process.env' },
    offences: 1,
  },
  'only drivers and stores hold the database client': {
    house: {
      'features/turns/a.ts': "import { Prisma } from '../../generated/prisma/client.ts';\nimport pg from 'pg';",
      'features/turns/store/turn-store.ts': "import { Prisma } from '../../generated/prisma/client.ts';",
      'features/turns/b.ts': "import type { Turn } from '../../generated/prisma/client.ts';",
    },
    offences: 2,
  },
  'only the driver and the bus speak to Redis': {
    house: {
      'events/redis-bus.ts': "import { Redis } from 'ioredis';",
      'events/hub.ts': "import type { Redis } from 'ioredis';",
    },
    offences: 1,
  },
  'private parts of dependencies are reached in seams of the platform alone': {
    house: {
      'events/a.ts':
        'socket._handle.stop(); const { _inner: inner } = server; pool["_clients"]; this._own = rows._count._all;',
      'events/b.ts': 'Object.setPrototypeOf(given, made); Server.prototype.close = close; WebAssembly.compile(bytes);',
      'events/c.ts':
        "import type pg from 'pg';\n(client as pg.Client & { connection: unknown }).connection; (client as unknown as { stream: unknown }).stream;",
      'events/d.ts':
        'type Insides = { stream?: unknown }; (client as unknown as Insides).stream; (row as unknown as R).id;',
      'events/e.ts':
        'const query = client.query.bind(client); Object.assign(client, { query: watched }); Object.assign(client, { name });',
      'platform/f.ts': 'socket._handle.stop();',
      'platform/g.ts': '/** Seam: ws 8.23.0, `_handle`. */\nsocket._handle.stop();',
      'platform/h.ts': '/** Seam: ws 8.23.0, `_handle`. */\nsocket.stop();',
      'events/i.ts': '/** Seam: ws 8.23.0, `_handle`. */\nsocket._handle.stop();',
    },
    offences: 13,
  },
  'only its adapter speaks to OpenAI': {
    house: {
      'providers/openai/a.ts': "import OpenAI from 'openai';",
      'providers/registry.ts': "import OpenAI from 'openai/core';",
    },
    offences: 1,
  },
  'what vendors share knows none of them, and no vendor knows another': {
    house: {
      'providers/call/a.ts': "import { toUsage } from '../openai/usage.ts';",
      'providers/anthropic/a.ts':
        "import { toUsage } from '../openai/usage.ts';\nimport { Answer } from '../call/answer.ts';",
      'providers/create-providers.ts': "import { createOpenAIProvider } from './openai/client.ts';",
    },
    offences: 2,
  },
  'only graph files speak GraphQL': {
    house: {
      'features/turns/turn-service.ts':
        "import { GraphQLError } from 'graphql';\nimport { builder } from '../../graph/builder.ts';",
      'features/turns/turn-lists.ts': "import { builder } from '../../graph/builder.ts';",
      'features/turns/rules.ts': "import type { Key } from '../../graph/lists/paging.ts';",
      'platform/db.ts': "import SchemaBuilder from '@pothos/core';",
    },
    offences: 3,
  },
  'files are short': { house: { 'kernel/a.ts': '\n'.repeat(301), 'kernel/b.ts': '\n'.repeat(300) }, offences: 1 },
  'functions are short': {
    house: {
      'kernel/a.ts': `function a() {${'\n'.repeat(50)}} const b = () => {${'\n'.repeat(49)}};`,
      'kernel/b.ts': `const make = () => ({ of(list) {${'\n'.repeat(50)}}${'\n'.repeat(9)} }); class C { constructor() {${'\n'.repeat(50)}} }`,
    },
    offences: 3,
  },
  'functions take at most four things in order': {
    house: {
      'kernel/a.ts':
        'function a(this: T, b, c, d, e) {} const f = (a, b, c, d, { e, f }) => a; type F = (a, b, c, d, e) => void;',
      'kernel/b.ts': 'class C { constructor(a, b, c, d, ...e) {} }',
    },
    offences: 2,
  },
  'lines fit in 120 columns': {
    house: { 'kernel/a.ts': `${' '.repeat(120)}\n// ${'x'.repeat(118)}`, 'kernel/b.ts': ' '.repeat(120) },
    offences: 1,
  },
  'rooms are small': {
    house: {
      ...Object.fromEntries(filler(16)),
      'contracts/a.ts': '\n'.repeat(1_701),
      'engine/a.ts': '\n'.repeat(1_700),
    },
    offences: 2,
  },
  'names say what is inside': {
    house: {
      'kernel/utils.ts': '',
      'kernel/string-helper.ts': '',
      'graph/common/a.ts': '',
      'kernel/turnStore.ts': '',
      'kernel/utility.ts': '',
    },
    offences: 4,
  },
  'names are words of the field': {
    house: {
      'kernel/a.ts':
        'const told = 1; function judge() {} type Way = { left: number }; const f = ({ asked }: T, taken: number) => asked + taken;',
      'kernel/b.ts': 'rows.findMany({ take: 1 }); const { take: limit } = options; // told, heard',
    },
    offences: 6,
  },
  'an exported name has one meaning': {
    house: {
      'kernel/a.ts': 'export const shown = 1; export type Status = 2; const own = 3;',
      'events/b.ts': 'export function shown() {} export type Other = 4; const own = 5;',
      'features/turns/enums.ts': 'export const Status = 6;',
    },
    offences: 1,
  },
  'importing starts nothing': {
    house: {
      'kernel/a.ts': 'export const timer = setInterval(() => {}, 1000);',
      'kernel/b.ts': 'export const start = () => setInterval(() => {}, 1000);',
      'platform/a.ts': 'const redis = new Redis(url); class A { x = new Redis(url); static y = new PrismaClient(); }',
      'platform/b.ts': 'const answer = await thing();',
      'main.ts': 'await startApp();',
    },
    offences: 4,
  },
  'nothing knows that it is tested': {
    house: { 'kernel/a.ts': "if (env.NODE_ENV === 'test') skip();", 'kernel/b.ts': "oneOf(['test'])" },
    offences: 1,
  },
  'signals are joined by kernel/async.ts': {
    house: { 'kernel/a.ts': 'const both = AbortSignal.any([a, b]);' },
    offences: 1,
  },
  'nothing is left to do': {
    house: { 'kernel/a.ts': '// TODO: later', 'kernel/b.ts': 'const toDo = 1;' },
    offences: 1,
  },
  'comments are sentences, not banners': {
    house: { 'kernel/a.ts': '// ------ types ------', 'kernel/b.ts': '// types' },
    offences: 1,
  },
};

describe('the inspector', () => {
  it.each(Object.keys(rules) as Rule[])('sees where it is broken that %s', (rule) => {
    expect(rules[rule](survey(new Map(Object.entries(planted[rule].house))))).toHaveLength(planted[rule].offences);
  });

  it('is not fooled by the way an import is written', () => {
    const text =
      "import a, {\n  b,\n} from './b.ts';\nexport { c } from './c.ts';\nexport type { D } from './d.ts';\nimport './e.ts';\nlet f: import('./f.ts').F;\nconst g = () => import('./g.ts');";
    expect(survey(new Map([['kernel/a.ts', text]])).edges).toEqual(
      ['b', 'c', 'd', 'e', 'f', 'g'].map((name) => ({
        from: 'kernel/a.ts',
        to: `kernel/${name}.ts`,
        typeOnly: name === 'd' || name === 'f',
      })),
    );
  });

  it('tells a cycle by all of its files, and no cycle where two ways lead to one file', () => {
    const edge = (from: string, to: string) => ({ from, to });
    expect(cyclesOf([edge('a', 'b'), edge('b', 'c'), edge('c', 'a')])).toEqual(['a > b > c > a']);
    expect(cyclesOf([edge('a', 'b'), edge('a', 'c'), edge('b', 'd'), edge('c', 'd')])).toEqual([]);
  });
});
