import { expect, it } from 'vitest';
import { isDiskFull, isOutage, throughOutage } from '../../src/platform/db-errors.ts';

const coded = (code: string, message = 'said in words') => Object.assign(new Error(message), { code });

it.each([
  ['a full disk', coded('53100')],
  ['a full disk, as a system says it', coded('ENOSPC', 'ENOSPC: no space left on device, write')],
  [
    'a full disk, as the embedded database broke down on it',
    coded('57P02', 'could not write to file "pg_wal/x": No space left on device'),
  ],
  ['a server without memory', coded('53200')],
  ['a server without connections', coded('53300')],
  ['a statement that took too long', coded('57014')],
  ['a lost connection', coded('ECONNRESET')],
  [
    'whatever Prisma wraps it in',
    Object.assign(new Error('wrapped'), { cause: { originalCode: '53100', kind: 'postgres' } }),
  ],
])('an outage is %s', (_, error) => {
  expect(isOutage(error)).toBe(true);
});

it.each([
  ['a value that is there already', coded('23505')],
  ['a table that is not there', coded('42P01')],
  ['a fault of ours', new TypeError('x is not a function')],
])('no outage is %s', (_, error) => {
  expect(isOutage(error)).toBe(false);
  expect(isDiskFull(error)).toBe(false);
});

it('does what must not be lost again while the disk is full', async () => {
  let tries = 0;
  const work = async () => {
    tries += 1;
    if (tries < 3) throw coded('53100');
    return 'done';
  };
  expect(await throughOutage(work)).toBe('done');
  expect(tries).toBe(3);
});
