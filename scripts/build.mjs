// @ts-check
/**
 * `npm run build`: what runs, in `dist`. Does nothing where that is of the present sources already. Types are checked
 * by the tests, not here.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, delimiter, dirname, join, relative, resolve } from 'node:path';
import { transformSync } from 'rolldown/utils';
import {
  archive,
  archiveStamp,
  checkout,
  clientFingerprint,
  databaseVersion,
  filesIn,
  isBuilt,
  isStamped,
  sourcesFingerprint,
  stamp,
} from './sources.mjs';

const generated = join('src', 'generated');
const clientStamp = join(checkout, generated, '.prisma-from');

/** Where the compiled form of a source is. */
export const distPath = (/** @type {string} */ source) =>
  join('dist', relative('src', source)).replace(/\.(m?)ts$/, '.$1js');

/** Generates the database's client; its tool takes seconds, hence only where its schema has changed. */
export async function generateClient() {
  const of = clientFingerprint();
  if (isStamped(clientStamp, of)) return;
  rmSync(clientStamp, { force: true });
  const bin = join(checkout, 'node_modules', '.bin');
  // Its generators are commands of packages.
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
  await run([join(checkout, 'node_modules', 'prisma', 'build', 'index.js'), 'generate'], env);
  writeFileSync(clientStamp, of);
}

/**
 * What a new embedded database begins with: PostgreSQL takes seconds to make one, of which every first start would pay.
 */
async function archiveDatabase() {
  const of = databaseVersion();
  if (existsSync(archive) && isStamped(archiveStamp, of)) return;
  rmSync(archiveStamp, { force: true });
  await run([join(import.meta.dirname, 'empty-database.mjs')]);
  writeFileSync(archiveStamp, of);
}

/** Runs a script, and says what it said only where it fails. */
async function run(/** @type {string[]} */ command, env = process.env) {
  const child = spawn(process.execPath, command, { cwd: checkout, env });
  /** @type {Buffer[]} */
  const said = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => said.push(bytes));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`node ${relative(checkout, command.join(' '))} failed:\n${Buffer.concat(said)}`);
}

/** Compiles a file by itself, knowing nothing of types. @returns {{ code: string, map: string }} */
export function compile(/** @type {string} */ text, /** @type {string} */ source) {
  const typescript = /** @type {const} */ ({ onlyRemoveTypeImports: true, rewriteImportExtensions: 'rewrite' });
  const { code, map, errors } = transformSync(source, text, {
    target: 'es2023',
    sourcemap: true,
    tsconfig: false,
    typescript,
  });
  if (errors[0] || !map) throw new Error(`${source} cannot be compiled: ${errors[0]?.message}`);
  const target = distPath(source);
  map.sources = [relative(dirname(target), source)];
  map.sourcesContent = undefined;
  return { code: `${code}//# sourceMappingURL=${basename(target)}.map\n`, map: JSON.stringify(map) };
}

/** @returns {string[]} the files written, as paths from the checkout */
function compileAll(/** @type {string[]} */ sources) {
  return sources.flatMap((source) => {
    const { code, map } = compile(readFileSync(join(checkout, source), 'utf8'), source);
    const target = distPath(source);
    mkdirSync(dirname(join(checkout, target)), { recursive: true });
    writeFileSync(join(checkout, target), code);
    writeFileSync(join(checkout, `${target}.map`), map);
    return [target, `${target}.map`];
  });
}

const isCode = (/** @type {string} */ file) => /\.m?ts$|\.mjs$/.test(file);

/** Builds what has changed since the last time; `say` is told what takes long. */
export async function build(say = (/** @type {string} */ _line) => {}) {
  if (isBuilt()) return;
  const began = performance.now();
  say('Building Colloquy. This is done once, and again after its sources have changed.');
  const of = sourcesFingerprint();
  rmSync(stamp, { force: true });
  mkdirSync(join(checkout, 'dist'), { recursive: true });
  await Promise.all([generateClient(), archiveDatabase()]);
  const all = new Set([
    ...compileAll(filesIn('src').filter(isCode)),
    ...[archive, archiveStamp].map((path) => relative(checkout, path)),
  ]);
  // What begins like the archive may be the draft of another build.
  const isOurs = (/** @type {string} */ file) => all.has(file) || join(checkout, file).startsWith(archive);
  for (const file of filesIn('dist')) if (!isOurs(file)) rmSync(join(checkout, file), { force: true });
  writeFileSync(stamp, of);
  say(`Built in ${((performance.now() - began) / 1_000).toFixed(1)} s.`);
}

if (process.argv[1] && resolve(process.argv[1]) === import.meta.filename) {
  if (process.argv.includes('--client')) await generateClient();
  else await build((line) => console.error(line));
}
