import { getIntrospectionQuery, Lexer, Source, TokenKind } from 'graphql';
import { describe, expect, it } from 'vitest';
import { refuseLongDocument } from '../../src/graph/limits/index.ts';

const isRefused = (source: string, maxTokens: number): boolean => {
  try {
    refuseLongDocument(source, maxTokens);
    return false;
  } catch {
    return true;
  }
};

/** As many as the lexer of GraphQL finds, comments left out. */
function tokensOf(source: string): number {
  const lexer = new Lexer(new Source(source));
  let count = 0;
  while (lexer.advance().kind !== TokenKind.EOF) count += 1;
  return count;
}

const documents = [
  '{ __typename }',
  getIntrospectionQuery(),
  'query Q($a: [Int!]! = [1, -2.5e10, 3], $b: T) @d(x: $a) { a: b(c: {d: $b, e: ENUM}) ...F ... on T{x}...{y} }',
  '{ a(b: "text with { [ ( # and \\" more \\\\") }',
  '{ a(b: """block { [ \\""" # "" still\n more""") # a comment { { {\n }',
  '\uFEFF{ a,,,,b\t\tc\r\nd\re }',
  '{ a(b: "") c(d: """""") }',
  '{ a(b: "ü😀") }',
];

describe('the text of a document', () => {
  it.each(documents)('is refused above its number of words, and not at it: %s', (source) => {
    const count = tokensOf(source);
    const lines = source.split(/\r\n|\n|\r/).length;
    expect(isRefused(source, Math.max(count, lines))).toBe(false);
    if (count > lines) expect(isRefused(source, count - 1)).toBe(true);
  });

  it('is refused for its lines, also of comments and block strings, and says what to do', () => {
    for (const line of ['\n', '#\n', '\r', ' \r\n']) expect(isRefused(`{ a ${line.repeat(60)} }`, 50)).toBe(true);
    expect(isRefused(`{ a(b: """${'\n'.repeat(60)}""") }`, 50)).toBe(true);
    expect(() => refuseLongDocument('\n'.repeat(60), 50)).toThrow(/more than 50 lines.*variables/);
    expect(() => refuseLongDocument('a '.repeat(60), 50)).toThrow(/more than 50 words and signs.*variables/);
  });

  it('is refused for brackets within one another, and not for those in strings and comments', () => {
    for (const open of ['{a', '[', '(', '{a(b:[{c:'])
      expect(() => refuseLongDocument(`{ a(b: ${open.repeat(101)}`, 5_000)).toThrow(/15 levels.*20 levels/);
    for (const source of [
      `{ a(b: "${'['.repeat(500)}") }`,
      `{ a(b: """${'['.repeat(500)}""") }`,
      `{ a } #${'['.repeat(500)}`,
      '[]{}'.repeat(500),
    ])
      expect(isRefused(source, 5_000)).toBe(false);
  });

  it('may end anywhere', () => {
    for (const source of documents)
      for (let end = 0; end < source.length; end++)
        expect(() => refuseLongDocument(source.slice(0, end), 5_000)).not.toThrow();
  });
});
