import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';

const run = promisify(execFile);

/**
 * A room as somebody adds it: with a service, a node, a loader, a list, a mutation with its result, and a field of
 * another room's type.
 */
const room: Record<string, string> = {
  'index.ts': `
/** Notes: what a user keeps for themselves. Owns no table. Promises: nobody else sees them. */
export { createNotes, type Note, type Notes } from './notes.ts';
`,
  'notes.ts': `
import { ConflictError } from '../../kernel/errors.ts';

export type Note = { id: string; ownerId: string; text: string };
export type Notes = { list(ownerIds: readonly string[]): Note[]; add(ownerId: string, text: string): Note };

export function createNotes(): Notes {
  const notes: Note[] = [];
  return {
    list: (ownerIds) => notes.filter(({ ownerId }) => ownerIds.includes(ownerId)),
    add(ownerId, text) {
      if (notes.length === 3) throw new ConflictError('There are three notes, which is the limit.');
      const note = { id: \`00000000-0000-0000-0000-00000000000\${notes.length}\`, ownerId, text };
      notes.push(note);
      return note;
    },
  };
}
`,
  'graph.ts': `
import { builder } from '../../graph/builder.ts';
import { costs } from '../../graph/limits/list-cost.ts';
import { addLoaders, type Loader, listed } from '../../graph/loaders.ts';
import { findNodes, globalId, Node } from '../../graph/node.ts';
import { resultUnion } from '../../graph/results.ts';
import { ConflictError } from '../../kernel/errors.ts';
import type { Note as NoteRow, Notes } from './index.ts';

declare module '../../graph/services.ts' {
  interface Services {
    notes: Notes;
  }
}
declare module '../../graph/loaders.ts' {
  interface Loaders {
    notes: Loader<NoteRow[]>;
  }
}

addLoaders(({ services }) => ({ notes: () => listed(async (ids) => services.notes.list(ids), ({ ownerId }) => ownerId) }));

const Note = builder.objectRef<NoteRow>('Note').implement({
  description: 'A note.',
  interfaces: [Node],
  fields: (t) => ({ id: t.id(globalId('Note')), text: t.exposeString('text', { description: 'Its text.' }) }),
});
findNodes('Note', async (ids, { viewer, services }) => services.notes.list([viewer.userId]).filter(({ id }) => ids.includes(id)));

builder.prismaObjectField('User', 'notes', (t) =>
  t.field({
    type: [Note],
    extensions: costs({ length: 3 }),
    description: 'The notes of the user.',
    resolve: async ({ id }, _args, { loaders }) => (await loaders.notes.load(id)) ?? [],
  }),
);

const AddNoteResult = resultUnion('AddNoteResult', { description: 'The note, or why there is none.', success: Note, errors: [ConflictError] });
builder.mutationField('addNote', (t) =>
  t.field({
    type: AddNoteResult.type,
    description: 'Adds a note.',
    args: { text: t.arg.string({ required: true, description: 'Its text.' }) },
    resolve: (_root, { text }, context) => AddNoteResult.run(context, ({ viewer, services }) => services.notes.add(viewer.userId, text)),
  }),
);
`,
};

/** Runs operations against the room as it is composed with all others, over an embedded database. */
const script = `
import { execute, parse } from 'graphql';
import { compose } from './src/app/compose/compose.ts';
import { loadConfig } from './src/app/config.ts';
import { createContexts } from './src/app/front/context.ts';
import { schema } from './src/app/schema.ts';
import { createToolRegistry } from './src/features/tools/index.ts';
import { AnswerShares } from './src/graph/budget/index.ts';
import { openDatabase } from './src/platform/db.ts';
import { createLogger } from './src/platform/logger.ts';
import { applyMigrations } from './src/platform/migrate.ts';

const config = loadConfig({ LOG_LEVEL: 'silent', DATA_DIR: process.argv[2] });
const logger = createLogger(config.log);
const database = await openDatabase({ url: null, dataDir: process.argv[2]!, poolSize: 1 });
await applyMigrations(database, logger);
const composition = compose({ config, database, logger, secret: 'x'.repeat(32), registry: createToolRegistry([]) });
const contexts = createContexts(database, { services: composition.services, shares: new AnswerShares(config.http.answers) });
const { id: userId } = await database.prisma.user.create({ data: { subject: 's', displayName: 'S', roles: ['USER'] } });
const viewer = { userId, roles: ['USER' as const], expiresAt: new Date(Date.now() + 60_000) };
const ask = async (query: string) =>
  (await execute({ schema, document: parse(query), contextValue: contexts(viewer, () => new AbortController().signal) })).data;
const added = [];
for (const text of ['a', 'b', 'c', 'd'])
  added.push(await ask(\`mutation { addNote(text: "\${text}") { __typename ... on Note { text } ... on ConflictError { message } } }\`));
const notes = await ask('{ viewer { user { notes { id text } } } }');
const node = await ask(\`{ node(id: "\${Buffer.from('Note:00000000-0000-0000-0000-000000000001').toString('base64url')}") { __typename ... on Note { text } } }\`);
console.log(JSON.stringify({ added, notes, node }));
await composition.close();
await database.close();
process.exit(0);
`;

/** The lines that a new room adds outside of its own folder. */
const central: Record<string, [before: RegExp, line: string][]> = {
  'src/app/schema.ts': [[/^import '\.\.\/features\/titles\/graph\.ts';\n/m, "import '../features/notes/graph.ts';\n"]],
  'src/app/services.ts': [
    [/^import \{ createTurnService/m, "import { createNotes } from '../features/notes/index.ts';\n"],
    [/^ {4}turns: createTurnService/m, '    notes: createNotes(),\n'],
  ],
};

let copy: string;
beforeAll(async () => {
  copy = await realpath(await mkdtemp(join(tmpdir(), 'colloquy-room-')));
  for (const path of ['src', 'prisma', 'package.json', 'tsconfig.json'])
    await cp(resolve(path), join(copy, path), { recursive: true });
  await symlink(resolve('node_modules'), join(copy, 'node_modules'));
  for (const [name, text] of Object.entries(room)) {
    const path = join(copy, 'src/features/notes', name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
  for (const [path, lines] of Object.entries(central)) {
    let text = await readFile(join(copy, path), 'utf8');
    for (const [before, line] of lines) {
      expect(text).toMatch(before);
      text = text.replace(before, (found) => line + found);
    }
    await writeFile(join(copy, path), text);
  }
  await writeFile(join(copy, 'script.ts'), script);
});
afterAll(() => rm(copy, { recursive: true, force: true }));

it('a new room changes nothing but its own files, a line of app/schema.ts, and two of app/services.ts', async () => {
  expect(Object.keys(central)).toEqual(['src/app/schema.ts', 'src/app/services.ts']);
  const [types, answers] = await Promise.all([
    run(process.execPath, [resolve('node_modules/typescript/bin/tsc'), '--noEmit', '--pretty', 'false', '-p', copy], {
      cwd: copy,
    }).catch(({ stdout }: { stdout: string }) => ({ stdout })),
    run(process.execPath, ['--import', 'tsx', 'script.ts', join(copy, 'data')], { cwd: copy }),
  ]);
  expect(types.stdout).toBe('');
  const { added, notes, node } = JSON.parse(answers.stdout);
  expect(added.map(({ addNote }: { addNote: object }) => addNote)).toEqual([
    ...['a', 'b', 'c'].map((text) => ({ __typename: 'Note', text })),
    { __typename: 'ConflictError', message: 'There are three notes, which is the limit.' },
  ]);
  expect(notes.viewer.user.notes.map(({ text }: { text: string }) => text)).toEqual(['a', 'b', 'c']);
  expect(node).toEqual({ node: { __typename: 'Note', text: 'b' } });
}, 120_000);
