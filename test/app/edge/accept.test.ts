import { describe, expect, it } from 'vitest';
import { acceptsGzip, acceptWeight, names } from '../../../src/app/edge/accept.ts';

describe('what a client accepts', () => {
  it.each<[accept: string | undefined, type: string, wish: number]>([
    [undefined, 'application/json', 1],
    ['', 'application/json', 1],
    ['*/*', 'application/json', 1],
    ['application/*;q=0.5', 'application/json', 0.5],
    ['text/html, */*;q=0.1', 'application/json', 0.1],
    ['*/*, application/json;q=0', 'application/json', 0],
    ['APPLICATION/JSON; charset=utf-8 ; Q=0.7', 'application/json', 0.7],
    ['text/html', 'application/json', 0],
    ['application/json;charset=latin1', 'application/json', 0],
    ['application/json;charset=latin1, */*;q=0.2', 'application/json', 0.2],
    ['application/json;q=much', 'application/json', 0],
    [',;,', 'application/json', 0],
  ])('is read by what it says most precisely: %s', (accept, type, wish) => {
    expect(acceptWeight(accept, type)).toBe(wish);
  });

  it('is packed by gzip only where it says so', () => {
    for (const yes of ['gzip', 'br, gzip;q=0.5', 'GZIP', 'x-gzip', '*'])
      expect([yes, acceptsGzip(yes)]).toEqual([yes, true]);
    for (const no of [undefined, null, '', 'identity', 'br', 'gzip;q=0', 'gzip;q=0, *', '*;q=0', 'gzipped'])
      expect([no, acceptsGzip(no)]).toEqual([no, false]);
  });

  it('is named where it is not all of a family', () => {
    expect([
      names('text/html', 'text/html'),
      names('text/*', 'text/html'),
      names('text/html;q=0', 'text/html'),
      names(undefined, 'text/html'),
    ]).toEqual([true, false, false, false]);
  });
});
