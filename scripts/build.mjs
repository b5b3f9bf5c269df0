// @ts-check
/** `npm run build`: what runs, in `dist`. Does nothing where that is of the present sources already. Types are checked by the tests, not here. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join, relative, resolve, sep } from 'node:path';
import { checkout, clientFingerprint, filesIn, isBuilt, sourcesFingerprint, stamp } from './sources.mjs';

const generated = join('src', 'generated');
const clientStamp = join(checkout, generated, '.prisma-from');

/** Where the compiled form of a source is. */
export const distPath = (/** @type {string} */ source) => join('dist', relative('src', source)).replace(/\.(m?)ts$/, '.$1js');

/** Generates the database's client; its tool takes seconds, hence only where its schema has changed. */
export async function generateClient() {
  const of = clientFingerprint();
  if (existsSync(clientStamp) && readFileSync(clientStamp, 'utf8') === of) return;
  rmSync(clientStamp, { force: true });
  await prismaGenerate();
  writeFileSync(clientStamp, of);
}

/** Says what the tool says only where it fails. */
async function prismaGenerate() {
  const bin = join(checkout, 'node_modules', '.bin');
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` }; // its generators are commands of packages
  const child = spawn(process.execPath, [join(checkout, 'node_modules', 'prisma', 'build', 'index.js'), 'generate'], { cwd: checkout, env });
  /** @type {Buffer[]} */
  const said = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => said.push(bytes));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`prisma generate failed:\n${Buffer.concat(said)}`);
}

/** A compiler of single files, which knows nothing of types. @returns {Promise<(text: string, source: string) => { code: string, map: string }>} */
export async function createCompiler() {
  const { default: ts } = await import('typescript');
  const path = join(checkout, 'tsconfig.build.json');
  const { config } = ts.readConfigFile(path, (name) => readFileSync(name, 'utf8'));
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: [] }, ts.sys, checkout, undefined, path);
  // A file that is compiled alone is in no package that says `"type": "module"`.
  const compilerOptions = { ...options, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler };
  return (text, source) => {
    const { outputText, sourceMapText } = ts.transpileModule(text, { compilerOptions, fileName: source.split('/').at(-1) ?? source });
    const map = JSON.parse(sourceMapText ?? '{}');
    map.sources = [relative(dirname(join(checkout, distPath(source))), join(checkout, source))];
    return { code: outputText, map: JSON.stringify(map) };
  };
}

/** @returns {Promise<string[]>} the files written, as paths from the checkout */
async function compile(/** @type {string[]} */ sources) {
  const compiled = await createCompiler();
  const written = [];
  for (const source of sources) {
    const { code, map } = compiled(readFileSync(join(checkout, source), 'utf8'), source);
    const target = distPath(source);
    mkdirSync(dirname(join(checkout, target)), { recursive: true });
    writeFileSync(join(checkout, target), code);
    writeFileSync(join(checkout, `${target}.map`), map);
    written.push(target, `${target}.map`);
  }
  return written;
}

const isCode = (/** @type {string} */ file) => /\.m?ts$|\.mjs$/.test(file);

/** Builds what has changed since the last time; `say` is told what takes long. */
export async function build(say = (/** @type {string} */ _line) => {}) {
  if (isBuilt()) return;
  const began = performance.now();
  say('Building Colloquy. This is done once, and again after its sources have changed.');
  const of = sourcesFingerprint();
  rmSync(stamp, { force: true });
  const isGenerated = (/** @type {string} */ file) => file.startsWith(generated + sep);
  const [own] = await Promise.all([compile(filesIn('src').filter((file) => isCode(file) && !isGenerated(file))), generateClient()]);
  const all = new Set([...own, ...(await compile(filesIn(generated).filter(isCode)))]);
  for (const file of filesIn('dist')) if (!all.has(file)) rmSync(join(checkout, file));
  writeFileSync(stamp, of);
  say(`Built in ${((performance.now() - began) / 1_000).toFixed(1)} s.`);
}

if (process.argv[1] && resolve(process.argv[1]) === import.meta.filename) {
  if (process.argv.includes('--client')) await generateClient();
  else await build((line) => console.error(line));
}
