import { constants, existsSync } from 'node:fs';
import { access, readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { DataDirInUseError, lockDataDir } from '../../platform/data-dir-lock.ts';
import { type Config, mayMakeSecret } from '../config.ts';
import { createHostRule } from '../edge/hosts.ts';
import { secretWarning } from '../secret.ts';
import { type Finding, note, ok, problem } from './finding.ts';

/** The version of Node.js, against what package.json asks for. */
export async function checkNode(version = process.versions.node): Promise<Finding[]> {
  const { engines } = JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    engines: { node: string };
  };
  const [needed, own] = [engines.node, version].map((text) => text.replace(/^\D+/, '').split('.').map(Number));
  const [major = 0, minor = 0] = needed!;
  const isEnough = own![0]! > major || (own![0] === major && own![1]! >= minor);
  return [
    isEnough
      ? ok('Node.js', version)
      : problem('Node.js', `${version}, but ${engines.node} is needed`, 'Install a newer one: https://nodejs.org'),
  ];
}

/** Which names requests may have as their host, where there is a server. */
export function checkHosts({ role, http }: Config): Finding[] {
  if (role === 'worker') return [];
  const names = [...(http.publicUrl ? [new URL(http.publicUrl).hostname] : []), ...http.allowedHosts];
  if (!createHostRule(http.host, http).isOff)
    return [ok('Host names', names.length > 0 ? names.join(', ') : 'those of this machine')];
  return [
    note(
      'Host names',
      'any is answered to: set PUBLIC_URL or ALLOWED_HOSTS, or a page whose name is made to lead here can use this ' +
        'server',
    ),
  ];
}

/** The directory for the embedded database and the secret, where either is kept there. */
export async function checkDataDir({ stores, auth, log }: Config): Promise<Finding[]> {
  const isEmbedded = stores.databaseUrl === null;
  if (!isEmbedded && (auth.secret !== null || !mayMakeSecret(stores.databaseUrl, log.production))) return [];
  const dir = resolve(stores.dataDir);
  const fault = await writeFault(dir);
  if (fault)
    return [
      problem('DATA_DIR', fault, 'Give this user the right to write there, or set DATA_DIR to another directory.'),
    ];
  if (!isEmbedded) {
    const warning = secretWarning({ stores, auth, log });
    return [
      ok('DATA_DIR', `${dir} can be written to`),
      ...(warning ? [note('JWT_SECRET', warning.replace(/^JWT_SECRET /, ''))] : []),
    ];
  }
  return [ok('DATA_DIR', `${dir} can be written to`), await lockFault(dir)];
}

async function writeFault(dir: string): Promise<string | null> {
  if (existsSync(dir) && !(await stat(dir)).isDirectory()) return `${dir} is no directory`;
  let nearest = dir;
  while (!existsSync(nearest)) nearest = dirname(nearest); // what is not there is made at the first start
  return access(nearest, constants.W_OK | constants.X_OK).then(
    () => null,
    () => `${nearest} cannot be written to`,
  );
}

/** Whether a process may open the embedded database; takes its lock for a moment, and leaves what is inside alone. */
async function lockFault(dir: string): Promise<Finding> {
  if (!existsSync(join(dir, 'database'))) return note('Embedded database', 'will be made at the first start');
  try {
    await (await lockDataDir(dir))();
    return ok('Embedded database', 'is there and free; a start brings it up to date');
  } catch (error) {
    if (!(error instanceof DataDirInUseError)) throw error;
    return note(
      'Embedded database',
      `is in use by process ${error.pid}: all is well if that is the server; a second one needs another DATA_DIR`,
    );
  }
}
