import { describe, expect, it } from 'vitest';
import { createStatementNames } from '../../src/platform/statement-names.ts';

const url = 'postgres://somebody@127.0.0.1:5432/colloquy';

describe('the names of statements', () => {
  it('are the same for the same text, and another for another', () => {
    const nameOf = createStatementNames(url);
    expect(nameOf('SELECT 1')).toBe(nameOf('SELECT 1'));
    expect(nameOf('SELECT 2')).not.toBe(nameOf('SELECT 1'));
    expect(nameOf('SELECT 1')).not.toBe('');
  });

  it('are bounded: what comes after five hundred texts has none, and those that have one keep it', () => {
    const nameOf = createStatementNames(url);
    const names = Array.from({ length: 500 }, (_, at) => nameOf(`SELECT ${at}`));
    expect(new Set(names).size).toBe(500);
    expect(nameOf('SELECT 500')).toBe('');
    expect(nameOf('SELECT 0')).toBe(names[0]);
  });

  it('are not given behind a pooler that does not know them', () => {
    expect(createStatementNames(`${url}?pgbouncer=true`)('SELECT 1')).toBe('');
  });
});
