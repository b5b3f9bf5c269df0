import { DataDirInUseError } from '../../platform/data-dir-lock.ts';
import { createLogger } from '../../platform/logger.ts';
import { createTokens } from '../../platform/tokens.ts';
import { startApp } from '../build-app.ts';
import { ConfigError, loadConfig } from '../config.ts';
import { resolveSecret } from '../secret.ts';
import { isCommand } from './is-command.ts';
import { serverAddress } from './server-address.ts';

const user = 'dev';
const questions = ['How do I brew a good cup of tea?', 'What is a durable answer?', '¿Qué es un cursor?'];

const mutation = `mutation Seed($text: String!, $key: String!) {
  sendMessage(input: { conversation: { new: {} }, content: { text: $text }, idempotencyKey: $key, waitFor: FINISHED }) {
    __typename
    ... on SendMessageSuccess { deduplicated conversation { id title } }
    ... on ApiError { message }
  }
}`;

type Answer = {
  data?: {
    sendMessage: {
      __typename: string;
      deduplicated: boolean;
      conversation: { id: string; title: string };
      message: string;
    };
  };
};

/**
 * Fills a database with a few conversations of the user "dev", answered by the scripted model; run again it changes
 * nothing.
 */
async function seed(print: (line: string) => void): Promise<void> {
  const { http } = loadConfig();
  const config = loadConfig({
    ...process.env,
    ROLE: 'all',
    PORT: '0',
    HOST: '127.0.0.1',
    OPENAI_API_KEY: '',
    OPENAI_BASE_URL: '',
    OPENAI_MODEL: '',
    LOG_LEVEL: 'error',
    SCRIPTED_TOKENS_PER_SECOND: '1000',
  });
  const app = await startApp(config, createLogger(config.log));
  try {
    const tokens = createTokens({ ...config.auth, secret: await resolveSecret(config) });
    const { token } = await tokens.sign({ subject: user, roles: ['USER'], name: 'Developer', ttlSeconds: 24 * 3_600 });
    for (const [index, text] of questions.entries()) {
      const { conversation, deduplicated } = await send(`${app.url}/graphql`, token, text, `seed-${index + 1}`);
      print(`${deduplicated ? 'was there' : 'made     '}  ${conversation.id}  ${conversation.title}`);
    }
    print(`\nA token of "${user}", good for 24 hours:\n${token}\n\nWith the server running:`);
    print(
      `curl -s ${serverAddress(http)}/graphql -H 'content-type: application/json' -H 'authorization: Bearer ` +
        `${token}' \\`,
    );
    print(`  -d '{"query":"{ conversations { nodes { id title messageCount totalCost } } }"}'`);
  } finally {
    await app.close(0);
  }
}

async function send(url: string, token: string, text: string, key: string) {
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const response = await fetch(url, {
    method: 'POST',
    headers,
    body: JSON.stringify({ query: mutation, variables: { text, key } }),
  });
  const answer = (await response.json()) as Answer;
  const result = answer.data?.sendMessage;
  if (result?.__typename !== 'SendMessageSuccess') throw new Error(result?.message ?? JSON.stringify(answer));
  return result;
}

if (isCommand(import.meta.filename))
  await seed(console.log).catch((error: unknown) => {
    if (!(error instanceof ConfigError || error instanceof DataDirInUseError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  });
