import { readdirSync, readFileSync } from 'node:fs';
import { isInputObjectType, isInterfaceType, isObjectType } from 'graphql';
import { CloseCode } from 'graphql-ws';
import { describe, expect, it } from 'vitest';
import { environment } from '../src/app/config.ts';
import { schema } from '../src/app/schema.ts';
import { readPage } from './kit/proofs.ts';

const page = readPage('docs/MIGRATING.md');
const source = readdirSync(new URL('../src', import.meta.url), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.startsWith('generated'))
  .map((file) => readFileSync(new URL(`../src/${file}`, import.meta.url), 'utf8'))
  .join('\n');

/** The rows of all tables that say what stands here for something there. */
const rows = page
  .split('\n\n')
  .filter((table) => /^\| there \| here \|/.test(table))
  .flatMap((table) => table.split('\n').slice(2))
  .map((line) => line.replace(/^\| | \|$/g, '').split(' | '))
  .map(([there = '', here = '', todo = '']) => ({ there, here, todo }));

const inSchema = (name: string): boolean => {
  const [type, member] = name.split('.') as [string, string?];
  const found = schema.getType(type);
  if (!member || !found) return found !== undefined;
  if (isObjectType(found) || isInterfaceType(found) || isInputObjectType(found)) return member in found.getFields();
  return 'getValue' in found && found.getValue(member) !== undefined;
};
/** What is no type, variable or code: words of graphql-ws, arguments, and the ways in which a tool is written. */
const others = ['connection_init', 'connection_ack', 'ping', 'pong', 'authorization', 'first', 'inject', 'display'];
const isHere = (name: string): boolean => {
  if (others.includes(name)) return true;
  if (/^[A-Z]+(_[A-Z]+)*$/.test(name)) return name in environment.shape || source.includes(`'${name}'`);
  return inSchema(name);
};
const namesOf = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);

const inCode = (code: number): boolean =>
  Object.values(CloseCode).includes(code) ||
  new RegExp(`(http: \\{ status: |http: |answer\\(response, |close\\(|')${code}\\b`).test(source);

describe('docs/MIGRATING.md', () => {
  it('names on its right side only what the schema, the configuration and the code have', () => {
    expect(rows.length).toBeGreaterThan(100);
    const named = rows.flatMap(({ here, todo }) => [
      ...namesOf(here),
      ...(todo.match(/`[A-Z_]+`/g) ?? []).flatMap(namesOf),
    ]);
    expect(named.length).toBeGreaterThan(200);
    expect(named.filter((name) => !isHere(name))).toEqual([]);
    expect(
      ['Conversation.nope', 'Mutation.chat', 'NOT_A_VARIABLE', 'TurnStatus.DONE', 'Nothing'].filter(isHere),
    ).toEqual([]);
  });

  it('names on its right side only statuses and closes that this server gives', () => {
    const codes = rows.flatMap(({ here }) =>
      [...here.matchAll(/(?:HTTP |^|\. )([1-5]\d\d|[14]\d{3})\b(?! characters| bytes)/g)].map(([, code]) =>
        Number(code),
      ),
    );
    expect(codes).toEqual(expect.arrayContaining([400, 401, 413, 429, 500, 503, 4403, 4401, 4400, 1012, 1013]));
    expect(codes.filter((code) => code !== 200 && !inCode(code))).toEqual([]);
    expect([418, 4001, 4003, 4029].filter(inCode)).toEqual([]);
  });

  it('has a line for every status and close of the earlier systems', () => {
    const codes = rows.flatMap(({ there }) => /^\d{3,4}\b/.exec(there)?.[0] ?? []);
    for (const code of [
      '200',
      '201',
      '204',
      '400',
      '401',
      '403',
      '404',
      '413',
      '429',
      '500',
      '502',
      '4001',
      '4003',
      '4029',
    ])
      expect(codes).toContain(code);
  });

  it('calls nothing missing that docs/COVERAGE.md calls done, and the other way round', () => {
    const states = new Map(
      [...readPage('docs/COVERAGE.md').matchAll(/^\| (\d+) \|.* \| (works|partly|not yet)[^|]* \| [^|]* \|$/gm)].map(
        ([, row, state]) => [row, state],
      ),
    );
    const missing = rows.flatMap(({ here, todo }) =>
      [...`${here} ${todo}`.matchAll(/row (\d+)/g)].map(([, row]) => row!),
    );
    expect(missing.length).toBeGreaterThan(20);
    expect(
      missing.filter((row) => !['partly', 'not yet'].includes(states.get(row) ?? '')),
      'these rows of COVERAGE.md work now, and MIGRATING.md calls them missing: say what does it instead of "(row N)"',
    ).toEqual([]);
    expect(
      rows.filter(({ here, todo }) => /not yet/i.test(`${here} ${todo}`) && !/row \d+/.test(`${here} ${todo}`)),
    ).toEqual([]);
  });

  it('links only to headings that there are', () => {
    const headings = [...page.matchAll(/^#+ (.*)$/gm)].map(([, words]) =>
      words!
        .toLowerCase()
        .replace(/[^\w -]/g, '')
        .replaceAll(' ', '-'),
    );
    const links = [...page.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor!);
    expect(links.filter((anchor) => !headings.includes(anchor))).toEqual([]);
  });
});
