import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maxPageSize } from '../../src/graph/lists/page-size.ts';
import { parsePage, toPage } from '../../src/graph/lists/paging.ts';
import { encodeCursor } from '../../src/kernel/cursor.ts';

const at = (place: number) => encodeCursor('messages', [String(place)]);

describe('a page that is asked for', () => {
  it.each([
    [{}, { limit: 20, backward: false, from: null }],
    [{ first: 5 }, { limit: 5, backward: false, from: null }],
    [
      { first: 5, after: at(3) },
      { limit: 5, backward: false, from: ['3'] },
    ],
    [{ after: at(3) }, { limit: 20, backward: false, from: ['3'] }],
    [{ last: 5 }, { limit: 5, backward: true, from: null }],
    [
      { last: 5, before: at(3) },
      { limit: 5, backward: true, from: ['3'] },
    ],
    [{ before: at(3) }, { limit: 20, backward: true, from: ['3'] }],
    [
      { first: null, last: maxPageSize },
      { limit: maxPageSize, backward: true, from: null },
    ],
  ])('is understood: %j', (args, page) => {
    expect(parsePage('messages', args)).toEqual(page);
  });

  it.each([
    [{ first: 0 }, 'first: must be between 1 and 100, but is 0'],
    [{ first: -1 }, 'first: must be between 1 and 100, but is -1'],
    [{ first: 101 }, 'first: must be between 1 and 100, but is 101'],
    [{ last: 0 }, 'last: must be between 1 and 100, but is 0'],
    [{ first: 1, last: 1 }, 'last: cannot be combined with first'],
    [{ first: 1, before: at(1) }, 'before: cannot be combined with first'],
    [{ after: at(1), last: 1 }, 'last: cannot be combined with after'],
    [{ after: 'x' }, 'after: is not a cursor of this list'],
    [{ last: 1, before: encodeCursor('turns', ['1']) }, 'before: is not a cursor of this list'],
    [{ after: encodeCursor('messages', ['abc']) }, 'after: is not a cursor of this list'],
    [{ after: encodeCursor('messages', ['1', '2']) }, 'after: is not a cursor of this list'],
  ])('is refused by the name of the argument: %j', (args, message) => {
    expect(() => parsePage('messages', args)).toThrow(message);
  });
});

describe('pages of a list', () => {
  const list = Array.from({ length: 23 }, (_, index) => index + 1);
  const count = async () => list.length;
  /** What a database gives for a request: one row more than the limit, where there are more. */
  function read(args: Parameters<typeof parsePage>[1]) {
    const page = parsePage('messages', args);
    const from = page.from ? Number(page.from[0]) : null;
    const rows = page.backward
      ? list.filter((row) => from === null || row < from).reverse()
      : list.filter((row) => from === null || row > from);
    return toPage(page, rows.slice(0, page.limit + 1), { list: 'messages', keysOf: (row) => [String(row)], count });
  }

  it('lead through all of it, forwards and backwards, without a hole and without a double', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), fc.boolean(), (size, backward) => {
        const seen: number[] = [];
        for (let cursor: string | undefined, more = true; more; ) {
          const page = read(backward ? { last: size, before: cursor } : { first: size, after: cursor });
          const rows = page.edges.map(({ node }) => node);
          expect(rows).toEqual([...rows].sort((a, b) => a - b));
          if (backward) seen.unshift(...rows);
          else seen.push(...rows);
          more = backward ? page.hasPreviousPage : page.hasNextPage;
          cursor = backward ? page.edges[0]!.cursor : page.edges.at(-1)!.cursor;
        }
        expect(seen).toEqual(list);
      }),
    );
  });

  it('say what lies on either side of them', () => {
    expect(read({ first: 5 })).toMatchObject({ hasPreviousPage: false, hasNextPage: true });
    expect(read({ first: 5, after: at(20) })).toMatchObject({ hasPreviousPage: true, hasNextPage: false });
    expect(read({ last: 5 })).toMatchObject({ hasPreviousPage: true, hasNextPage: false });
    expect(read({ last: 5, before: at(3) })).toMatchObject({ hasPreviousPage: false, hasNextPage: true });
    expect(read({ first: 23 })).toMatchObject({ hasPreviousPage: false, hasNextPage: false });
  });
});
