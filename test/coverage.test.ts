import { isInputObjectType, isInterfaceType, isObjectType } from 'graphql';
import { describe, expect, it } from 'vitest';
import { schema } from '../src/app/schema.ts';
import { isTested, proofsOf, readPage } from './kit/proofs.ts';

/** The rows of docs/COVERAGE.md: number, feature, names in the schema, state, tests. */
const rows = readPage('docs/COVERAGE.md')
  .split('\n')
  .filter((line) => /^\| (\d+|[a-p]) \|/.test(line))
  .map((line) => line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '')))
  .map((cells) => ({ number: cells[0]!, names: cells.at(-3)!, state: cells.at(-2)!, proof: cells.at(-1)! }));

/** Whether the schema has `Type.field` or `Enum.VALUE`. */
function isInSchema(name: string): boolean {
  const [type, member] = name.split('.');
  const found = schema.getType(type!);
  if (isObjectType(found) || isInterfaceType(found) || isInputObjectType(found)) return member! in found.getFields();
  return found !== undefined && 'getValue' in found && found.getValue(member!) !== undefined;
}

describe('docs/COVERAGE.md', () => {
  it('has every number once', () => {
    const letters = [...'abcdefghijklmnop'];
    expect(rows.map(({ number }) => number)).toEqual([
      ...Array.from({ length: 118 }, (_, at) => String(at + 1)),
      ...letters,
    ]);
  });

  it('names only what the schema has', () => {
    const names = rows.flatMap((row) => [...row.names.matchAll(/`([\w.]+)`/g)].map(([, name]) => name!));
    expect(names.length).toBeGreaterThan(50);
    expect(names.filter((name) => !isInSchema(name))).toEqual([]);
  });

  it('calls nothing done that no test shows, and names only tests that there are', () => {
    const unproved = rows.filter(
      ({ state, proof }) =>
        !/^(works|partly: \S.*|not yet)/.test(state) || (state.startsWith('works') && proofsOf(proof).length === 0),
    );
    expect(unproved).toEqual([]);
    const proofs = rows.flatMap(({ proof }) => proofsOf(proof));
    expect(proofs.length).toBeGreaterThan(50);
    expect(proofs.filter((proof) => !isTested(proof))).toEqual([]);
  });
});

describe('the schema', () => {
  const inputs = Object.values(schema.getTypeMap()).filter(isInputObjectType);
  const inputFields = inputs.flatMap((type) => Object.keys(type.getFields()).map((field) => `${type.name}.${field}`));
  const mutationArguments = Object.values(schema.getMutationType()!.getFields()).flatMap(({ name, args }) =>
    args.map((arg) => `${name}.${arg.name}`),
  );
  const writable = [...inputFields, ...mutationArguments];

  it('has no input for past messages or for a role', () => {
    expect(writable.length).toBeGreaterThan(30);
    // The parts of a message of one's own are text and answers to widgets, and nothing else.
    const own = ['ContentInput.parts'];
    expect(
      writable.filter((name) => /\.(role|roles|messages|history|parts)$/i.test(name) && !own.includes(name)),
    ).toEqual([]);
  });

  it('has no input for a user', () => {
    expect(writable.filter((name) => /\.(user|owner|viewer)(Id)?$/i.test(name))).toEqual([]);
  });
});
