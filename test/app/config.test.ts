import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { describeConfig } from '../../src/app/config/table.ts';
import { ConfigError, environment, loadConfig } from '../../src/app/config.ts';

const secret = 'correct-horse-battery-staple-0123456789';
const databaseUrl = 'postgresql://colloquy:hunter2@db.internal:5432/colloquy';

const problemsOf = (env: NodeJS.ProcessEnv): readonly string[] => {
  try {
    loadConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};

describe('without any variable', () => {
  it('is a whole server on loopback, embedded and offline', () => {
    const config = loadConfig({});
    expect(config).toMatchObject({
      role: 'all',
      http: {
        port: 4_000,
        host: '127.0.0.1',
        corsOrigins: [],
        graphiql: true,
        introspection: true,
        maxQueryObjects: 5_000,
        subscriptionsPerSocket: 100,
      },
      metrics: { port: null, host: '127.0.0.1' },
      log: { level: 'info', production: false },
      stores: { databaseUrl: null, dataDir: './data', poolSize: 10, redisUrl: null, redisPrefix: 'colloquy' },
      auth: {
        secret: null,
        issuer: 'colloquy',
        audience: 'colloquy',
        jwksUrl: null,
        allowGuests: true,
        guestTokenHours: 24,
      },
      turns: {
        maxRetries: 2,
        leaseMs: 4_000,
        sweepMs: 10_000,
        concurrency: 100,
        perUser: 10,
        maxMessageChars: 32_000,
        context: { maxMessages: 100, tokenBuffer: 500 },
      },
      conversations: { defaultLanguage: 'es' },
    });
    expect(config.providers).toEqual({
      openai: {
        apiKey: null,
        baseUrl: null,
        organization: null,
        defaultModel: 'scripted-1',
        models: ['scripted-1'],
        maxTokens: null,
        temperature: null,
        firstTokenTimeoutMs: 60_000,
        idleTimeoutMs: 30_000,
        scripted: true,
      },
      scripted: { tokensPerSecond: 25 },
    });
  });

  it('takes an empty value for none', () => {
    expect(loadConfig({ PORT: '', DATABASE_URL: ' ', JWT_SECRET: '' })).toEqual(loadConfig({}));
  });

  it('cannot be changed by whoever holds it', () => {
    const config = loadConfig({});
    expect(Object.isFrozen(config) && Object.isFrozen(config.providers.openai.models)).toBe(true);
  });
});

describe('the model provider', () => {
  it.each([{ OPENAI_API_KEY: 'sk-1' }, { OPENAI_BASE_URL: 'http://127.0.0.1:11434/v1' }])(
    'is a real one with %o',
    (env) => {
      expect(loadConfig(env).providers.openai).toMatchObject({ scripted: false, defaultModel: 'gpt-4o-mini' });
    },
  );

  it('offers the default model first, and each model once', () => {
    const { models } = loadConfig({ OPENAI_MODEL: 'b', OPENAI_MODELS: 'a, b,,c' }).providers.openai;
    expect(models).toEqual(['b', 'a', 'c']);
  });
});

describe('faults', () => {
  it('are told all at once, one line each, with the variable, what is expected and what came', () => {
    const env = {
      PORT: '70000',
      LOG_LEVEL: 'loud',
      GRAPHIQL: 'perhaps',
      OPENAI_TEMPERATURE: '3',
      LEASE_MS: '1e4',
      ROLE: 'worker',
      JWT_SECRET: 'short',
    };
    expect([...problemsOf(env)].sort()).toEqual([
      'DATABASE_URL: expected a PostgreSQL address, because ROLE is worker and the embedded database serves one process, got nothing',
      'GRAPHIQL: expected true or false, got "perhaps"',
      'JWT_SECRET: expected at least 32 bytes; make one with: openssl rand -base64 48, got 5 bytes (not shown)',
      'LEASE_MS: expected a whole number from 1000 to 60000, got "1e4"',
      'LOG_LEVEL: expected one of fatal, error, warn, info, debug, trace, silent, got "loud"',
      'OPENAI_TEMPERATURE: expected a number from 0 to 2, got "3"',
      'PORT: expected a whole number from 0 to 65535, got "70000"',
    ]);
  });

  it.each([
    ['PORT', '-1'],
    ['PORT', '80.5'],
    ['PORT', '0x50'],
    ['GUEST_TOKEN_HOURS', '721'],
    ['LEASE_MS', '999'],
    ['OPENAI_TEMPERATURE', '2.1'],
    ['DATABASE_URL', 'mysql://db/x'],
    ['REDIS_URL', 'localhost:6379'],
    ['JWKS_URL', 'id.example.com'],
    ['CORS_ORIGIN', 'https://app.example.com/path'],
    ['CORS_ORIGIN', '*'],
    ['DEFAULT_LANGUAGE', 'Spanish'],
    ['NODE_ENV', 'prod'],
    ['OPENAI_MODELS', 'x'.repeat(101)],
  ])('%s=%s is one', (name, value) => {
    expect(problemsOf({ [name]: value })).toEqual([expect.stringMatching(new RegExp(`^${name}: expected .+, got .+`))]);
  });

  it.each(['DATABASE_URL', 'REDIS_URL', 'JWT_SECRET', 'OPENAI_BASE_URL', 'JWKS_URL'])(
    'in %s do not show its value',
    (name) => {
      const [problem] = problemsOf({ [name]: 'x://u:hunter2@h' });
      expect(problem).toMatch(new RegExp(`^${name}: `));
      expect(problem).not.toContain('hunter2');
    },
  );

  it('include production on a shared database without a way to check tokens', () => {
    const env = { NODE_ENV: 'production', DATABASE_URL: databaseUrl };
    expect(problemsOf(env)).toEqual([expect.stringContaining('JWT_SECRET')]);
    expect(problemsOf({ ...env, JWT_SECRET: secret })).toEqual([]);
    expect(problemsOf({ ...env, JWKS_URL: 'https://id.example.com/keys' })).toEqual([]);
    expect(problemsOf({ NODE_ENV: 'production' })).toEqual([]);
  });
});

describe('guests', () => {
  it('are not let in where nothing could sign their tokens', () => {
    const env = { NODE_ENV: 'production', DATABASE_URL: databaseUrl, JWKS_URL: 'https://id.example.com/keys' };
    expect(loadConfig(env).auth.allowGuests).toBe(false);
    expect(loadConfig({ ...env, JWT_SECRET: secret }).auth.allowGuests).toBe(true);
  });
});

describe('origins', () => {
  it('are read as browsers send them', () => {
    expect(loadConfig({ CORS_ORIGIN: 'https://App.example.com/, http://localhost:5173' }).http.corsOrigins).toEqual([
      'https://app.example.com',
      'http://localhost:5173',
    ]);
  });
});

describe('the start-up table', () => {
  it('shows every setting and no secret', () => {
    const table = describeConfig(
      loadConfig({
        DATABASE_URL: databaseUrl,
        REDIS_URL: 'rediss://:hunter2@r:6379',
        JWT_SECRET: secret,
        OPENAI_API_KEY: 'sk-hunter2',
      }),
    );
    const text = table.join('\n');
    expect(text).not.toMatch(/hunter2|battery/);
    expect(text).toMatch(/^auth\.secret +set \(39 bytes\)$/m);
    expect(text).toMatch(/^stores\.databaseUrl +postgresql:\/\/\*\*\*@db\.internal:5432\/colloquy$/m);
    expect(text).toMatch(/^http\.port +4000$/m);
    expect(text).toMatch(/^role +all$/m);
    expect(text).toMatch(/^auth\.jwksUrl +-$/m);
  });
});

describe('.env.example', () => {
  const lines = readFileSync(new URL('../../.env.example', import.meta.url), 'utf8').split('\n');
  const entries = lines.flatMap((line, at) => {
    const [, mark, name, value] = /^(# )?([A-Z][A-Z0-9_]*)=(.*)$/.exec(line) ?? [];
    return name === undefined ? [] : [{ name, value: value ?? '', isDefault: !mark, comment: lines[at - 1] }];
  });
  const valuesOf = (some: typeof entries) => Object.fromEntries(some.map(({ name, value }) => [name, value]));

  it('names the very variables that are read, each once', () => {
    expect(entries.map(({ name }) => name).sort()).toEqual(Object.keys(environment.shape).sort());
  });

  it('says of each what it does', () => {
    for (const { name, comment } of entries)
      expect(comment).toBe(`# ${environment.shape[name as keyof typeof environment.shape].description}`);
  });

  it('shows every default, and nothing else as one', () => {
    const withDefault = Object.entries(environment.shape).filter(([, field]) => {
      const value: unknown = field.safeParse(undefined).data;
      return value !== undefined && !Array.isArray(value);
    });
    expect(
      entries
        .filter(({ isDefault }) => isDefault)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(withDefault.map(([name]) => name).sort());
    expect(loadConfig(valuesOf(entries.filter(({ isDefault }) => isDefault)))).toEqual(loadConfig({}));
  });

  it('has examples that work when uncommented', () => {
    expect(problemsOf(valuesOf(entries))).toEqual([]);
  });
});
