import { createTokens } from '../platform/tokens.ts';
import type { App } from './build-app.ts';
import type { Config } from './config.ts';
import { resolveSecret } from './secret.ts';

const hours = 24;

/**
 * What somebody who starts the server by hand needs to know. A ready token is shown only where the data is this
 * process's own.
 */
export async function welcome(config: Config, { url }: App): Promise<string[]> {
  if (!url) return ['Colloquy works; it serves nothing itself (ROLE=worker).'];
  const lines = [`Colloquy is at ${url}/graphql`];
  const token = await developmentToken(config);
  if (token) {
    lines.push(`A token, good for ${hours} hours:  ${token}`);
    if (config.http.graphiql) lines.push(`GraphiQL, with that token:  ${url}/graphql#token=${token}`);
  } else if (config.http.graphiql) lines.push(`GraphiQL:  ${url}/graphql`);
  lines.push(modelLine(config));
  return lines;
}

function modelLine({ providers: { openai } }: Config): string {
  if (openai.scripted) return 'The model is a scripted one, until OPENAI_API_KEY or OPENAI_BASE_URL is set.';
  const place = openai.baseUrl === null ? 'OpenAI' : new URL(openai.baseUrl).host;
  return `The model is ${openai.defaultModel}, at ${place}. "npm run doctor" says whether it answers.`;
}

/** Only on a laptop: with a shared database, or in production, a token on the console would be a way in. */
async function developmentToken(config: Config): Promise<string | null> {
  const secret = await resolveSecret(config);
  if (config.stores.databaseUrl || config.log.production || !secret) return null;
  const tokens = createTokens({ ...config.auth, secret });
  return (await tokens.sign({ subject: 'dev', roles: ['USER'], name: 'Developer', ttlSeconds: hours * 3_600 })).token;
}
