import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { draw, proportionalParts, readSources } from './draw.ts';
import { instrument } from './instrument.ts';
import { applyMutations, candidatesOf, parses } from './mutations.ts';

/** Each fault as `kind: before → after`. */
const faultsOf = (text: string): string[] =>
  candidatesOf('a.ts', text).map(({ kind, before, after }) => `${kind}: ${before} → ${after}`);
const ofKind = (kind: string, text: string): string[] => faultsOf(text).filter((fault) => fault.startsWith(`${kind}:`));

describe('the faults of a file', () => {
  it.each([
    [
      'a limit moves by one, and equal is unequal',
      'comparison',
      'f(a < b, a >= b, a === b)',
      ['< → <=', '>= → >', '=== → !=='],
    ],
    [
      'a sum is a difference, and so on',
      'arithmetic',
      'f(a + b, a - b, a * b, a += b)',
      ['+ → -', '- → +', '* → /', '+= → -='],
    ],
    ['texts are not subtracted', 'arithmetic', "f(a + 'b', `b` + c, a + ('b' + c), a += 'b')", []],
    [
      'only one side of a choice counts',
      'logic',
      'f(a && b, a ?? {})',
      ['a && b → a', 'a && b → b', 'a ?? {} → a', 'a ?? {} → ({})'],
    ],
    [
      'a condition is always or never met',
      'condition',
      'if (a) x = b ? 1 : 2',
      ['a → true', 'a → false', 'b → true', 'b → false'],
    ],
    ['a loop is endless or never entered', 'condition', 'while (a) b()', ['a → true', 'a → false']],
    ['a loop without end stays one', 'condition', 'while (true) b()', []],
    ['and its condition is no other boolean', 'boolean', 'while (true) b()', []],
    ['true is false', 'boolean', 'x = { a: true, b: false }', ['true → false', 'false → true']],
    ['not is left out', 'negation', 'x = !a', ['!a → a']],
    [
      'a number is one more',
      'number',
      'x = [1, 20_000, 0.5]; f(-1)',
      ['1 → 2', '20_000 → 20001', '0.5 → 1.5', '1 → 2'],
    ],
    ['but no index and no name', 'number', 'x = a[0]; y = { 1: z }', []],
    [
      'a call is not made',
      'call',
      'a(); await b(); void c(); d = e()',
      ['a(); → ;', 'await b(); → ;', 'void c(); → ;'],
    ],
    ['but for the one that a class must make', 'call', 'class A extends B { constructor() { super(); } }', []],
    [
      'an early return forgets its value',
      'return',
      'const f = (a) => { if (a) { return b; } return c; }',
      ['return b; → return;'],
    ],
    [
      'but not where a type says that there is one',
      'return',
      'const f = (a): number => { if (a) { return b; } return c; }',
      [],
    ],
  ])('%s', (_, kind, text, faults) => {
    expect(ofKind(kind, text)).toEqual(faults.map((fault) => `${kind}: ${fault}`));
  });

  it('are none in types, imports, exports and the text of a query', () => {
    const inert = [
      "import { a } from './1.ts';",
      "export { b } from './2.ts';",
      'type C = { d: true; e: 1 | 2 } | (A extends B ? true : false);',
      'interface F { g: 3 }',
      'const h = i as 4 | true;',
      'const j = sql`SELECT 1 + 2 WHERE a < b AND true`;',
    ];
    expect(faultsOf(inert.join('\n'))).toEqual([]);
  });

  it('say where they are, counting from 1', () => {
    const [fault] = candidatesOf('src/a.ts', 'const a = 1;\n\n  if (b < c) d = e;\n').filter(
      ({ kind }) => kind === 'comparison',
    );
    expect(fault).toMatchObject({
      file: 'src/a.ts',
      line: 3,
      column: 9,
      start: 22,
      end: 23,
      text: 'if (b < c) d = e;',
    });
  });

  it('replace exactly what they name, several in one text too', () => {
    const text = 'f(a < b, c > d, !e);';
    const chosen = candidatesOf('a.ts', text).filter(({ kind }) => kind !== 'call');
    expect(applyMutations(text, chosen)).toBe('f(a <= b, c >= d, e);');
    for (const { start, end, before } of chosen) expect(text.slice(start, end)).toBe(before);
  });

  it('have an id each, which changes with the text around it', () => {
    const idsOf = (text: string): string[] => candidatesOf('a.ts', text).map(({ id }) => id);
    const ids = idsOf('f(a && b, 1)');
    expect(new Set(ids).size).toBe(4);
    expect(idsOf('f(a && b, 1)')).toEqual(ids);
    expect(idsOf('f(a && b, 1) // c').filter((id) => ids.includes(id))).toEqual([]);
  });
});

describe('a draw', () => {
  const lines = (count: number): string => Array.from({ length: count }, (_, index) => `x${index} = !y;`).join('\n');
  const sources = new Map([
    ['a.ts', lines(60)],
    ['b.ts', lines(30)],
    ['c.ts', lines(10)],
    ['d.ts', 'export type D = 1;'],
  ]);
  const idsOf = (seed: number): string[] => draw(sources, { count: 20, seed }).map(({ id }) => id);

  it('is the same for the same sources and seed, in the same order, and another for another seed', () => {
    expect(idsOf(1)).toEqual(idsOf(1));
    expect([...idsOf(2)].sort()).not.toEqual([...idsOf(1)].sort());
  });

  it('has no fault twice', () => {
    expect(new Set(idsOf(3)).size).toBe(20);
  });

  it('is spread over the files in proportion to what can be mutated in each', () => {
    const files = draw(sources, { count: 20, seed: 1 }).map(({ file }) => file);
    expect(['a.ts', 'b.ts', 'c.ts', 'd.ts'].map((file) => files.filter((each) => each === file).length)).toEqual([
      12, 6, 2, 0,
    ]);
  });

  it('mixes the files, so that the beginning of it is a fair part', () => {
    const files = draw(sources, { count: 20, seed: 1 }).map(({ file }) => file);
    expect(files).not.toEqual([...files].sort());
  });

  it('changes in one file only when that file changes', () => {
    const changed = new Map([...sources, ['b.ts', `${lines(30)} // changed`]]);
    const inOthers = (from: typeof sources): string[] =>
      draw(from, { count: 20, seed: 1 })
        .filter(({ file }) => file !== 'b.ts')
        .map(({ id }) => id);
    expect(inOthers(changed)).toEqual(inOthers(sources));
  });

  it('leaves out what would be no program', () => {
    const text = 'x = 1..toFixed() && y;'; // of which `2.toFixed()` is none
    const drawn = draw(new Map([['a.ts', text]]), { count: 9, seed: 1 });
    expect(candidatesOf('a.ts', text).map(({ kind }) => kind)).toEqual(['logic', 'logic', 'number']);
    expect(drawn.map(({ kind }) => kind)).toEqual(['logic', 'logic']);
  });

  it('gives all there are when more are asked for', () => {
    expect(draw(sources, { count: 1_000, seed: 1 })).toHaveLength(100);
  });

  it('shares a number out whole: the largest remainders are rounded up', () => {
    expect(proportionalParts([50, 30, 20], 7)).toEqual([4, 2, 1]);
    expect(proportionalParts([1, 1, 1], 2)).toEqual([1, 1, 0]);
    expect(proportionalParts([2, 3], 9)).toEqual([2, 3]);
  });
});

describe('probes', () => {
  type Evaluated = { value: unknown; reached: string[] };

  /** Evaluates the body of a function, and says in which order which places were reached. */
  function evaluate(body: string, probed: string): Evaluated {
    const reached: string[] = [];
    const scope = { __reach: (id: string) => reached.push(id) };
    const value: unknown = new Function('globalThis', probed)(scope);
    const found = candidatesOf('a.ts', body);
    return {
      value,
      reached: reached
        .map((id) => found.find((each) => each.id === id)!)
        .map(({ before, after }) => `${before} → ${after}`),
    };
  }
  const probe = (body: string): Evaluated => evaluate(body, instrument(body, candidatesOf('a.ts', body)));

  it('note what is evaluated, and not what is not', () => {
    const { value, reached } = probe('const a = 5; if (a > 9) a.toFixed(); return a < 6 ? !a : a - 7;');
    expect(value).toBe(false);
    expect(new Set(reached)).toEqual(
      new Set([
        '5 → 6',
        'a > 9 → true',
        'a > 9 → false',
        '> → >=',
        '9 → 10',
        'a < 6 → true',
        'a < 6 → false',
        '< → <=',
        '6 → 7',
        '!a → a',
      ]),
    );
  });

  it('leave the value, `this` and the order of things as they were', () => {
    const body =
      'const o = { n: 2, m(x = true) { return x && this.n; } }; const log = []; log.push(o.m()); log.push(o.m(null) ?? 0); return log;';
    expect(probe(body).value).toEqual([2, 0]);
  });

  it('move nothing to another line', () => {
    const text = 'if (\n  a <\n  b\n) c();\n';
    const probed = instrument(text, candidatesOf('a.ts', text));
    expect(probed.split('\n').length).toBe(text.split('\n').length);
    expect(probed).not.toBe(text);
  });
});

describe('the sources themselves', () => {
  const root = resolve(import.meta.dirname, '../..');
  const sources = readSources(root);

  it('are a program still with a probe in every place', () => {
    const broken = [...sources]
      .filter(([file, text]) => !parses(instrument(text, candidatesOf(file, text))))
      .map(([file]) => file);
    expect(broken).toEqual([]);
  });

  it('give faults that are programs, in the text as it is', () => {
    const faults = draw(sources, { count: 40, seed: 21 });
    expect(faults).toHaveLength(40);
    for (const { file, start, end, before } of faults)
      expect(readFileSync(resolve(root, file), 'utf8').slice(start, end)).toBe(before);
  });
});
