import { serverAudits } from 'graphql-http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWorld, tokenFor, type World } from '../kit/app.ts';
import { storages } from '../kit/databases.ts';

/**
 * The audits of the GraphQL-over-HTTP specification, against the server as it is delivered: limits, CSRF prevention and
 * tokens on.
 */
describe('GraphQL over HTTP', () => {
  let world: World;
  let url = '';
  let authorization = '';

  beforeAll(async () => {
    world = await createWorld(storages[0]!);
    url = `${(await world.start({ CORS_ORIGIN: 'https://app.example.com' })).url}/graphql`;
    authorization = `Bearer ${await tokenFor('auditor')}`;
  });
  afterAll(() => world.close());

  const fetchFn = (input: string | URL, init: RequestInit = {}) => {
    const headers = new Headers(init.headers);
    headers.set('authorization', authorization);
    return fetch(input, { ...init, headers });
  };
  const audits = serverAudits({ url: () => url, fetchFn });

  it('has sixty-one audits', () => {
    expect(audits).toHaveLength(61);
  });

  it.each(audits.map((audit) => [audit.id, audit.name, audit] as const))(
    'passes audit %s: %s',
    async (_id, _name, audit) => {
      const result = await audit.fn();
      const reason = 'reason' in result ? result.reason : '';
      expect(result.status, `${reason}`).toBe('ok');
    },
  );
});
