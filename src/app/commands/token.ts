import { parseArgs } from 'node:util';
import type { Role } from '../../contracts/viewer.ts';
import { createTokens, maxTokenAgeSeconds } from '../../platform/tokens.ts';
import { type Config, ConfigError, loadConfig, mayMakeSecret } from '../config.ts';
import { findSecret, pathOf } from '../secret.ts';
import { isCommand } from './is-command.ts';
import { serverAddress } from './server-address.ts';

const usage = 'Usage: npm run token -- --user <name> [--admin] [--hours <1 to 744>]';
const maxHours = maxTokenAgeSeconds / 3_600;

/** `isWatched`: a person sees what is printed, and no log keeps it. */
type Terminal = {
  env?: NodeJS.ProcessEnv;
  out: (line: string) => void;
  note: (line: string) => void;
  isWatched?: boolean;
};

/**
 * A way in without an identity provider: prints a token for a user, and nothing else, on `out`. Returns the exit code.
 */
export async function printToken(args: string[], { env, out, note, isWatched = false }: Terminal): Promise<number> {
  try {
    const { user, roles, hours } = readFlags(args);
    const config = loadConfig(env);
    const secret = (await findSecret(config)) ?? refuse(config);
    const { issuer, audience } = config.auth;
    const tokens = createTokens({ secret, jwksUrl: null, issuer, audience });
    const { token, expiresAt } = await tokens.sign({ subject: user, roles, name: user, ttlSeconds: hours * 3_600 });
    note(
      `For ${user} (${roles.join(', ')}), good until ${expiresAt.toISOString()}. Send it as "Authorization: Bearer ` +
        '<token>".',
    );
    const address = config.http.publicUrl ?? serverAddress(config.http);
    if (config.http.graphiql)
      note(`GraphiQL, signed in with it: ${address.replace(/\/$/, '')}/graphql#token=${isWatched ? token : '<token>'}`);
    out(token);
    return 0;
  } catch (error) {
    if (!(error instanceof RefusedError || error instanceof ConfigError)) throw error;
    note(error.message);
    return 1;
  }
}

class RefusedError extends Error {}

/**
 * A secret is made by the server alone: with one that was made here its tokens would look right, and no server would
 * take them.
 */
function refuse({ stores, log }: Config): never {
  if (!mayMakeSecret(stores.databaseUrl, log.production))
    throw new RefusedError('Set JWT_SECRET to sign tokens: here they come from the identity provider behind JWKS_URL.');
  throw new RefusedError(
    `There is no secret at ${pathOf(stores.dataDir)}, and a new one would be no server's. Start the server once, or ` +
      'run this in its directory, or set DATA_DIR or JWT_SECRET as it has them.',
  );
}

function readFlags(args: string[]): { user: string; roles: Role[]; hours: number } {
  const { user, admin, hours } = parsedFlags(args);
  if (!user || user.length > 255) throw new RefusedError(`--user must have 1 to 255 characters.\n${usage}`);
  const wanted = /^\d{1,4}$/.test(hours) ? Number(hours) : 0;
  if (wanted < 1 || wanted > maxHours)
    throw new RefusedError(`--hours must be a whole number from 1 to ${maxHours}.\n${usage}`);
  return { user, roles: admin ? ['USER', 'ADMIN'] : ['USER'], hours: wanted };
}

function parsedFlags(args: string[]) {
  try {
    const { values } = parseArgs({
      args,
      options: {
        user: { type: 'string' },
        admin: { type: 'boolean', default: false },
        hours: { type: 'string', default: '24' },
      },
    });
    return values;
  } catch (error) {
    throw new RefusedError(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
  }
}

if (isCommand(import.meta.filename))
  process.exitCode = await printToken(process.argv.slice(2), {
    out: console.log,
    note: console.error,
    isWatched: process.stdout.isTTY,
  });
