import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readSources, rules, survey } from '../kit/architecture.ts';

const run = promisify(execFile);

/**
 * A room as somebody adds it: with a table, a service, a node, a loader, a list, a mutation with its result, and a field
 * of another room's type.
 */
const room: Record<string, string> = {
  'prisma/schema/notes.prisma': `
model Note {
  id      String @id @default(uuid(7)) @db.Uuid
  ownerId String @map("owner_id") @db.Uuid
  owner   User   @relation(fields: [ownerId], references: [id], onDelete: Cascade)
  text    String @db.VarChar(200)

  @@index([ownerId])
  @@map("note")
}
`,
  'src/features/notes/index.ts': `
/** Notes: what a user keeps for themselves. Owns the table \`note\`. Promises: nobody else sees them. */
export { createNoteService, type NoteService } from './note-service.ts';
`.trimStart(),
  'src/features/notes/note-store.ts': `
import type { Note } from '../../generated/prisma/client.ts';
import type { Db } from '../../platform/db.ts';

export const listNotes = (db: Db, ownerIds: readonly string[]): Promise<Note[]> =>
  db.note.findMany({ where: { ownerId: { in: [...ownerIds] } }, orderBy: { id: 'asc' } });

export const findNotes = (db: Db, ownerId: string, ids: string[]): Promise<Note[]> =>
  db.note.findMany({ where: { ownerId, id: { in: ids } } });

export const insertNote = (db: Db, ownerId: string, text: string): Promise<Note> =>
  db.note.create({ data: { ownerId, text } });
`,
  'src/features/notes/note-service.ts': `
import type { Viewer } from '../../contracts/viewer.ts';
import type { Note } from '../../generated/prisma/client.ts';
import { ValidationError } from '../../kernel/errors.ts';
import type { Db } from '../../platform/db.ts';
import { insertNote } from './note-store.ts';

export type NoteService = { add(viewer: Viewer, text: string): Promise<Note> };

export const createNoteService = (db: Db): NoteService => ({
  async add(viewer, text) {
    if (text.trim() === '') throw ValidationError.of('text', 'must not be empty');
    return insertNote(db, viewer.userId, text);
  },
});
`,
  'src/features/notes/graph.ts': `
import type { Note as NoteRow } from '../../generated/prisma/client.ts';
import { builder } from '../../graph/builder.ts';
import { costs } from '../../graph/limits/list-cost.ts';
import { addLoaders, type Loader, listed } from '../../graph/loaders.ts';
import { findNodes, globalId, Node } from '../../graph/node.ts';
import { resultUnion } from '../../graph/results.ts';
import { ValidationError } from '../../kernel/errors.ts';
import type { NoteService } from './index.ts';
import { findNotes, listNotes } from './note-store.ts';

declare module '../../graph/services.ts' {
  interface Services {
    notes: NoteService;
  }
}
declare module '../../graph/loaders.ts' {
  interface Loaders {
    notes: Loader<NoteRow[]>;
  }
}

addLoaders(({ db }) => ({ notes: () => listed((ids) => listNotes(db, ids), ({ ownerId }) => ownerId) }));

const Note = builder.objectRef<NoteRow>('Note').implement({
  description: 'A note.',
  interfaces: [Node],
  fields: (t) => ({ id: t.id(globalId('Note')), text: t.exposeString('text', { description: 'Its text.' }) }),
});
findNodes('Note', (ids, { db, viewer }) => findNotes(db, viewer.userId, ids));

builder.prismaObjectField('User', 'notes', (t) =>
  t.field({
    type: [Note],
    extensions: costs({ length: 3 }),
    description: 'The notes of the user.',
    resolve: async ({ id }, _args, { loaders }) => (await loaders.notes.load(id)) ?? [],
  }),
);

const AddNoteResult = resultUnion('AddNoteResult', {
  description: 'The note, or why there is none.',
  success: Note,
  errors: [ValidationError],
});
builder.mutationField('addNote', (t) =>
  t.field({
    type: AddNoteResult.type,
    description: 'Adds a note.',
    args: { text: t.arg.string({ required: true, description: 'Its text.' }) },
    resolve: (_root, { text }, context) =>
      AddNoteResult.run(context, ({ viewer, services }) => services.notes.add(viewer, text)),
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
const ask = async (query: string): Promise<any> =>
  (await execute({ schema, document: parse(query), contextValue: contexts(viewer, () => new AbortController().signal) })).data;
const added = [];
for (const text of ['a', 'b', 'c', ' '])
  added.push(await ask(\`mutation { addNote(text: "\${text}") { __typename ... on Note { text } ... on ValidationError { message } } }\`));
const notes = await ask('{ viewer { user { notes { id text } } } }');
const node = await ask(\`{ node(id: "\${notes.viewer.user.notes[1].id}") { __typename ... on Note { text } } }\`);
console.log(JSON.stringify({ added, notes, node }));
await composition.close();
await database.close();
process.exit(0);
`;

/** The lines that a new room adds to files that exist; the first is only there because its table points to users. */
const central: Record<string, [before: RegExp, line: string][]> = {
  'prisma/schema/accounts.prisma': [[/^ {2}@@map\("user_account"\)/m, '  notes Note[]\n\n']],
  'src/app/schema.ts': [[/^import '\.\.\/features\/titles\/graph\.ts';\n/m, "import '../features/notes/graph.ts';\n"]],
  'src/app/services.ts': [
    [/^import \{ createTurnService/m, "import { createNoteService } from '../features/notes/index.ts';\n"],
    [/^ {4}turns: createTurnService/m, '    notes: createNoteService(machines.database.prisma),\n'],
  ],
};

let copy: string;
beforeAll(async () => {
  copy = await realpath(await mkdtemp(join(tmpdir(), 'colloquy-room-')));
  for (const path of ['src', 'prisma', 'scripts', 'package.json', 'prisma.config.ts', 'tsconfig.json'])
    await cp(resolve(path), join(copy, path), { recursive: true });
  await symlink(resolve('node_modules'), join(copy, 'node_modules'));
  for (const [name, text] of Object.entries(room)) {
    const path = join(copy, name);
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
  // What `npm run generate` and `npm run db:new -- add_notes` do.
  await run(process.execPath, ['scripts/build.mjs', '--client'], { cwd: copy });
  await run(process.execPath, ['--import', 'tsx', 'src/app/commands/db-new.ts', 'add_notes'], { cwd: copy });
}, 60_000);
afterAll(() => rm(copy, { recursive: true, force: true }));

it('a new room with a table adds to other files a line of schema.ts, two of services.ts, and one a relation', async () => {
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
    { __typename: 'ValidationError', message: 'text: must not be empty' },
  ]);
  expect(notes.viewer.user.notes.map(({ text }: { text: string }) => text)).toEqual(['a', 'b', 'c']);
  expect(node).toEqual({ node: { __typename: 'Note', text: 'b' } });
}, 120_000);

it('the room that is added keeps the rules of the house', () => {
  const house = survey(readSources(join(copy, 'src')));
  const offences = Object.values(rules).flatMap((rule) => rule(house));
  expect([...house.files.keys()].filter((file) => file.includes('/notes/'))).toHaveLength(4);
  expect(offences.filter((offence) => offence.includes('note'))).toEqual([]);
});
