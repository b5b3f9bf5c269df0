import { PGlite } from '@electric-sql/pglite';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cancelStatement, onTrap } from '../../../src/platform/embedded/postgres-module.mjs';

let lite: PGlite;
beforeAll(async () => {
  lite = await PGlite.create();
});
afterAll(() => lite?.close());

type Insides = {
  HEAPU8: Uint8Array;
  _QueryCancelPending: number;
  _InterruptPending: number;
  _PostgresMainLoopOnce(): void;
};
const insides = () => lite.Module as unknown as Insides;

it('PGlite has the flags that end a statement, and they are raised in its memory', async () => {
  const raised = () => {
    const { HEAPU8, _QueryCancelPending, _InterruptPending } = insides();
    return [_QueryCancelPending, _InterruptPending].map((place) => new DataView(HEAPU8.buffer).getInt32(place, true));
  };
  expect(raised()).toEqual([0, 0]);
  // False where PGlite has none: see src/platform/embedded/postgres-module.mjs. That a statement ends by them is told
  // in embedded.test.ts.
  expect(cancelStatement(lite)).toBe(true);
  expect(raised()).toEqual([1, 1]);
  // One that was raised before it does not hit the next.
  expect((await lite.query('SELECT 1 AS n')).rows).toEqual([{ n: 1 }]);
});

it('PGlite runs statements by the function that PostgreSQL breaks down in: a trap is told, and the refusal of a statement is none', async () => {
  const traps: unknown[] = [];
  const run = insides()._PostgresMainLoopOnce;
  const trap = new WebAssembly.RuntimeError('unreachable');
  let isBroken = false;
  let runs = 0;
  insides()._PostgresMainLoopOnce = () => {
    runs += 1;
    if (isBroken) throw trap;
    run();
  };
  expect(onTrap(lite, (error) => traps.push(error))).toBe(true);
  await expect(lite.query('SELECT no_such_column')).rejects.toMatchObject({ code: '42703' });
  expect([runs > 0, traps]).toEqual([true, []]);
  isBroken = true;
  // Called as PGlite does; by itself it would call it again for ever.
  expect(() => insides()._PostgresMainLoopOnce()).toThrow(trap);
  expect(traps).toEqual([trap]);
  isBroken = false;
});

it('a PGlite without these parts is left as it is', () => {
  const other = { Module: {} } as PGlite;
  expect([cancelStatement(other), onTrap(other, () => {})]).toEqual([false, false]);
});
