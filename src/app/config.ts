import { z } from 'zod';
import { addressVariables } from './config/address-variables.ts';
import { connectionVariables } from './config/connection-variables.ts';
import { frozen } from './config/frozen.ts';
import { providerVariables } from './config/provider-variables.ts';
import { displayValue } from './config/shown-value.ts';
import { turnVariables } from './config/turn-variables.ts';
import { byRole, text, truth, url, webUrl, whole, words } from './config/variable-kinds.ts';
import { answerLimits, answerVariables } from './delivery/answer-variables.ts';

const databaseUrl = url('a PostgreSQL address such as postgresql://user:password@host:5432/name', [
  'postgres:',
  'postgresql:',
]);
const redisUrl = url('a Redis address such as redis://host:6379', ['redis:', 'rediss:']);
const oneOf = <const V extends readonly [string, ...string[]]>(values: V) =>
  z.enum(values, `expected one of ${values.join(', ')}`);

/**
 * Every variable the server understands. The descriptions are the comments of `.env.example`; a test holds the two
 * together.
 */
export const environment = z.object({
  ROLE: oneOf(['all', 'api', 'worker'])
    .default('all')
    .describe('What this process does: serve requests (api), run turns (worker), or both (all).'),
  NODE_ENV: oneOf(['development', 'test', 'production'])
    .default('development')
    .describe(
      'With "production" a secret of your own is demanded beside DATABASE_URL, and logs are always JSON lines.',
    ),
  LOG_LEVEL: oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe('The least grave log lines to print: fatal, error, warn, info, debug, trace, or silent for none.'),

  PORT: whole(0, 65_535).default(4_000).describe('The port to listen on; 0 takes any free one.'),
  HOST: text(253)
    .default('127.0.0.1')
    .describe('The address to listen on; 0.0.0.0 accepts connections from other machines.'),
  ...addressVariables,
  METRICS_PORT: whole(0, 65_535)
    .optional()
    .describe(
      'A port of its own for /metrics and the health checks, in whatever role; 0 takes any free one. Without it ' +
        'there are no metrics.',
    ),
  METRICS_HOST: text(253)
    .default('127.0.0.1')
    .describe('The address of that port. Metrics ask for no token: do not open it to everybody.'),
  GRAPHIQL: truth.default(true).describe('Whether a browser that opens /graphql gets the GraphiQL workbench.'),
  INTROSPECTION: truth.default(true).describe('Whether clients may read the schema. GraphiQL needs it.'),
  ...answerVariables,
  ...connectionVariables,

  DATABASE_URL: databaseUrl
    .optional()
    .describe(
      'PostgreSQL 15 or later. Without it an embedded database keeps its data in DATA_DIR; the roles api and worker ' +
        'need it.',
    ),
  DATABASE_POOL_SIZE: whole(1, 500)
    .default(10)
    .describe(
      'Connections to PostgreSQL that this process opens at the most, beside one that asks whether a silent server ' +
        'lives.',
    ),
  DATA_DIR: text(1_000).default('./data').describe('Where the embedded database and the secret made for it are kept.'),
  REDIS_URL: redisUrl
    .optional()
    .describe(
      'Redis, which carries live events and wake-ups between processes. Without it processes find out by polling ' +
        'the database.',
    ),
  REDIS_PREFIX: text(100)
    .default('colloquy')
    .describe('What every Redis key and channel begins with, so that installations can share a server.'),

  JWT_SECRET: z
    .string()
    .refine(
      (secret) => Buffer.byteLength(secret) >= 32,
      'expected at least 32 bytes; make one with: openssl rand -base64 48',
    )
    .optional()
    .describe(
      'Signs and checks HS256 tokens; at least 32 bytes. Without it one is made in DATA_DIR, except in production ' +
        'with DATABASE_URL.',
    ),
  JWT_ISSUER: text(255).default('colloquy').describe('The "iss" claim that tokens must carry.'),
  JWT_AUDIENCE: text(255).default('colloquy').describe('The "aud" claim that tokens must carry.'),
  JWKS_URL: webUrl('https://id.example.com/.well-known/jwks.json')
    .optional()
    .describe('Public keys of an identity provider: its RS256, PS256, ES256 and EdDSA tokens are accepted too.'),
  ALLOW_GUESTS: truth
    .default(true)
    .describe('Whether anybody may start a guest session. Guests need a secret to sign their tokens with.'),
  GUEST_TOKEN_HOURS: whole(1, 720).default(24).describe('How long the token of a guest is good, in hours.'),

  GUEST_MODELS: words(100)
    .optional()
    .describe('Models, separated by commas, that guests may use. Without it the default model alone.'),
  GUEST_MAX_TOKENS: whole(1, 1_000_000)
    .default(2_000)
    .describe('Tokens that one answer for a guest may have at the most.'),
  GUESTS_PER_HOUR: whole(0, 1_000_000)
    .default(30)
    .describe(
      'Guest sessions that one address (of IPv6: one /64 network) may begin in an hour, and times that one guest ' +
        'may renew theirs; 0 is any number.',
    ),
  TURNS_PER_MINUTE: byRole(1_000_000)
    .default({ ANONYMOUS: 10, USER: 20, OPERATOR: 20, ADMIN: 20 })
    .describe(
      'Turns, titles and forks that one user may ask for in a minute, over all processes: one number, or by role as ' +
        'in ANONYMOUS:10,USER:20; 0 is any number.',
    ),

  ...providerVariables,
  ...turnVariables,
});

type Environment = z.output<typeof environment>;

/** What the server was told to be, grouped by who needs it. What is not configured is null. */
export type Config = Readonly<ReturnType<typeof grouped>>;

/** Everything that is wrong with the environment, one line per variable. Holds no secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`The configuration is not usable:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

/** Reads the environment once, and tells of every fault in it at once. An empty value counts as none. */
export function loadConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value.trim() !== ''),
  ) as Given;
  const parsed = environment.safeParse(given);
  const faults = parsed.success
    ? []
    : parsed.error.issues.map(({ path, message }) => ({ name: String(path[0]), expected: message }));
  const problems = faults.map(
    ({ name, expected }) => `${name}: ${expected}, got ${displayValue(name, given[name] ?? '')}`,
  );
  problems.push(...conflicts(given));
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems);
  return frozen(grouped(parsed.data));
}

/**
 * Whether a process without JWT_SECRET may make one itself: not in production with a shared database, where several
 * processes must agree.
 */
export const mayMakeSecret = (databaseUrl: string | null, production: boolean): boolean =>
  databaseUrl === null || !production;

type Given = Record<string, string>;

/** Faults between variables. They are found in the raw values, so that one bad variable hides none of them. */
function conflicts(given: Given): string[] {
  const found: string[] = [];
  if (!given.DATABASE_URL && (given.ROLE === 'api' || given.ROLE === 'worker'))
    found.push(
      `DATABASE_URL: expected a PostgreSQL address, because ROLE is ${given.ROLE} and the embedded database serves ` +
        'one process, got nothing',
    );
  if (
    !mayMakeSecret(given.DATABASE_URL ?? null, given.NODE_ENV === 'production') &&
    !given.JWT_SECRET &&
    !given.JWKS_URL
  )
    found.push(
      'JWT_SECRET: expected it or JWKS_URL, because NODE_ENV is production and DATABASE_URL is set, got neither',
    );
  return found;
}

function grouped(env: Environment) {
  const production = env.NODE_ENV === 'production';
  const databaseUrl = env.DATABASE_URL ?? null;
  const secret = env.JWT_SECRET ?? null;
  return {
    role: env.ROLE,
    http: http(env),
    metrics: { port: env.METRICS_PORT ?? null, host: env.METRICS_HOST },
    drain: drain(env.DRAIN_SECONDS * 1_000),
    log: { level: env.LOG_LEVEL, production },
    stores: {
      databaseUrl,
      dataDir: env.DATA_DIR,
      poolSize: env.DATABASE_POOL_SIZE,
      redisUrl: env.REDIS_URL ?? null,
      redisPrefix: env.REDIS_PREFIX,
    },
    auth: {
      secret,
      issuer: env.JWT_ISSUER,
      audience: env.JWT_AUDIENCE,
      jwksUrl: env.JWKS_URL ?? null,
      // Guests carry tokens of ours: where only an identity provider signs, there can be none.
      allowGuests: env.ALLOW_GUESTS && (secret !== null || mayMakeSecret(databaseUrl, production)),
      guestTokenHours: env.GUEST_TOKEN_HOURS,
    },
    guests: { models: env.GUEST_MODELS ?? null, maxTokens: env.GUEST_MAX_TOKENS },
    rates: { turnsPerMinute: env.TURNS_PER_MINUTE, guestsPerHour: env.GUESTS_PER_HOUR },
    providers: { openai: openai(env), scripted: { tokensPerSecond: env.SCRIPTED_TOKENS_PER_SECOND } },
    turns: turns(env),
    tools: {
      modules: env.TOOLS ?? (isScripted(env) ? ['samples'] : []),
      limits: {
        rounds: env.MAX_TOOL_ROUNDS,
        calls: env.MAX_TOOL_CALLS,
        wallMs: env.MAX_TURN_SECONDS * 1_000,
        tokens: env.MAX_TURN_TOKENS,
      },
      approvalMs: env.APPROVAL_SECONDS * 1_000,
    },
    conversations: {
      defaultLanguage: env.DEFAULT_LANGUAGE,
      titles: { isAutomatic: env.TITLES, model: env.TITLE_MODEL ?? null },
      summaries: { isAutomatic: env.SUMMARIES, model: env.SUMMARY_MODEL ?? null },
    },
  };
}

function http(env: Environment) {
  const production = env.NODE_ENV === 'production';
  return {
    port: env.PORT,
    host: env.HOST,
    publicUrl: env.PUBLIC_URL ?? null,
    allowedHosts: env.ALLOWED_HOSTS,
    trustedProxies: env.TRUSTED_PROXIES,
    corsOrigins: env.CORS_ORIGIN,
    loopbackOrigins: !production,
    graphiql: env.GRAPHIQL,
    introspection: env.INTROSPECTION,
    maxQueryObjects: env.MAX_QUERY_OBJECTS,
    answers: answerLimits(env),
    subscriptionsPerSocket: env.SUBSCRIPTIONS_PER_SOCKET,
    sockets: {
      perUser: env.SOCKETS_PER_USER,
      perAddress: env.SOCKETS_PER_ADDRESS,
      anonymousPerAddress: env.ANONYMOUS_SOCKETS_PER_ADDRESS,
      anonymousPercent: env.ANONYMOUS_CONNECTIONS_PERCENT,
      messagesPerSecond: env.SOCKET_MESSAGES_PER_SECOND,
    },
    maxConnections: env.MAX_CONNECTIONS,
  };
}

function turns(env: Environment) {
  return {
    maxRetries: env.MODEL_MAX_RETRIES,
    leaseMs: env.LEASE_MS,
    sweepMs: env.SWEEP_MS,
    concurrency: env.WORKER_CONCURRENCY,
    perUser: env.TURNS_PER_USER,
    maxMessageChars: env.MAX_MESSAGE_CHARS,
    context: { maxMessages: env.MAX_CONTEXT_MESSAGES, tokenBuffer: env.CONTEXT_TOKEN_BUFFER },
  };
}

const isScripted = (env: Environment): boolean => !env.OPENAI_API_KEY && !env.OPENAI_BASE_URL;

/**
 * What comes after the turns takes up to 3 seconds, however little there is: last words to readers, and sockets that do
 * not answer.
 */
const drain = (deadlineMs: number) => ({
  deadlineMs,
  graceMs: Math.round(deadlineMs - Math.max((deadlineMs * 2) / 7, 4_000)),
});

function openai(env: Environment) {
  const scripted = isScripted(env);
  const defaultModel = env.OPENAI_MODEL ?? (scripted ? 'scripted-1' : 'gpt-4o-mini');
  return {
    apiKey: env.OPENAI_API_KEY ?? null,
    baseUrl: env.OPENAI_BASE_URL ?? null,
    organization: env.OPENAI_ORG_ID ?? null,
    defaultModel,
    /** Every model that may be chosen, the default first. */
    models: [...new Set([defaultModel, ...env.OPENAI_MODELS])],
    maxTokens: env.OPENAI_MAX_TOKENS ?? null,
    temperature: env.OPENAI_TEMPERATURE ?? null,
    firstTokenTimeoutMs: env.MODEL_FIRST_TOKEN_TIMEOUT_MS,
    idleTimeoutMs: env.MODEL_IDLE_TIMEOUT_MS,
    /** Nothing is configured: the scripted model on loopback answers. */
    scripted,
  };
}
