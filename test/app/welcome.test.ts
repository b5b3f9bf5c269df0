import { expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { loadConfig } from '../../src/app/config.ts';
import { welcome } from '../../src/app/welcome.ts';

const said = async (env: Record<string, string>, url: string | null = 'http://127.0.0.1:4000') =>
  (await welcome(loadConfig({ JWT_SECRET: 'a secret of more than thirty-two bytes', ...env }), { url } as App)).join(
    '\n',
  );

it('the start says which model answers, and where, without what is secret in its address', async () => {
  expect(await said({})).toContain('The model is a scripted one');
  const local = await said({ OPENAI_BASE_URL: 'http://me:hidden@127.0.0.1:11434/v1', OPENAI_MODEL: 'llama3.2' });
  expect(local).toContain('The model is llama3.2, at 127.0.0.1:11434. "npm run doctor" says whether it answers.');
  expect(local).not.toContain('hidden');
  expect(await said({ OPENAI_API_KEY: 'sk-a-key' })).toContain('The model is gpt-4o-mini, at OpenAI.');
});

it('the start gives a ready token and a link only where the data is this process’s own, and nothing is in production', async () => {
  expect(await said({})).toMatch(/GraphiQL, with that token: {2}http:\/\/127\.0\.0\.1:4000\/graphql#token=ey/);
  for (const env of [{ NODE_ENV: 'production' }, { DATABASE_URL: 'postgresql://db/x' }] as Record<string, string>[])
    expect(await said(env)).not.toContain('token');
  expect(await said({}, null)).toBe('Colloquy works; it serves nothing itself (ROLE=worker).');
});
