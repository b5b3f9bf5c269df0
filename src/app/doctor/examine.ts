import { type Config, ConfigError, loadConfig } from '../config.ts';
import { type Finding, note, ok, problem, within } from './finding.ts';
import { checkDataDir, checkHosts, checkNode } from './machine.ts';
import { checkModel } from './model.ts';
import { checkPostgres } from './postgres.ts';
import { checkRedis } from './redis.ts';

/** Looks at everything that the server needs with this environment. Changes nothing. */
export async function examine(env?: NodeJS.ProcessEnv): Promise<Finding[]> {
  const node = await checkNode();
  const config = configuration(env);
  if (Array.isArray(config)) return [...node, ...config];
  const { stores, providers } = config;
  const found = await Promise.all([
    within('DATA_DIR', 'Check the directory.', () => checkDataDir(config)),
    stores.databaseUrl ? checkPostgres(stores.databaseUrl) : [],
    stores.redisUrl
      ? checkRedis({ url: stores.redisUrl, prefix: stores.redisPrefix })
      : [note('Redis', 'none is configured: one process needs none')],
    checkModel(providers.openai),
  ]);
  return [
    ...node,
    ok('Configuration', `understood; the role is ${config.role}`),
    ...checkHosts(config),
    ...found.flat(),
  ];
}

function configuration(env?: NodeJS.ProcessEnv): Config | Finding[] {
  try {
    return loadConfig(env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const fix = 'Every variable is in .env.example. The rest is looked at when the configuration is right.';
    return error.problems.map((each, index) =>
      problem('Configuration', each, index === error.problems.length - 1 ? fix : undefined),
    );
  }
}
