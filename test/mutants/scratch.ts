import { execFile } from 'node:child_process';
import {
  chmod,
  copyFile,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { distPath } from '../../scripts/build.mjs';
import { applyMutations, type Mutation } from './mutations.ts';

/** Made by the build, and so not in the list of files that Git knows. */
const built = ['src/generated', 'test/generated', 'dist'];

/** Copies of a checkout, for faults to be made in. The checkout itself is only read. */
export type Scratch = {
  copy(name: string): Promise<string>;
  /** Removes all copies, and what tests left in their directory for temporary files. */
  remove(): Promise<void>;
};

async function filesOf(checkout: string): Promise<string[]> {
  const list = ['ls-files', '--cached', '--others', '--exclude-standard', '-z'];
  const { stdout } = await promisify(execFile)('git', list, { cwd: checkout, maxBuffer: 64 * 1024 * 1024 });
  return [...new Set(stdout.split('\0').filter((file) => file !== '' && file !== 'node_modules'))];
}

/** A directory of its own with links in it: Vite keeps a cache in `node_modules`, which must not be the checkout's. */
async function linkPackages(checkout: string, target: string): Promise<void> {
  await mkdir(target);
  const names = (await readdir(join(checkout, 'node_modules'))).filter((name) => !/^\.(vite|cache)/.test(name));
  const source = await realpath(join(checkout, 'node_modules'));
  await Promise.all(names.map((name) => symlink(join(source, name), join(target, name))));
}

async function copyCheckout(checkout: string, files: readonly string[], target: string): Promise<void> {
  for (const file of files) {
    await mkdir(dirname(join(target, file)), { recursive: true });
    await copyFile(join(checkout, file), join(target, file)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error; // deleted, and not yet committed
    });
  }
  for (const folder of built) await cp(join(checkout, folder), join(target, folder), { recursive: true });
  await linkPackages(checkout, join(target, 'node_modules'));
  await mkdir(join(target, tempFolder));
}

/** What tests put into the directory for temporary files stays in the copy. */
export const tempFolder = '.tmp';

export async function createScratch(checkout: string): Promise<Scratch> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'colloquy-mutants-')));
  await chmod(root, 0o755); // tests start PostgreSQL as another user
  const files = await filesOf(checkout);
  return {
    async copy(name) {
      const target = join(root, name);
      await copyCheckout(checkout, files, target);
      return target;
    },
    remove: () => rm(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 }),
  };
}

/**
 * Writes the faults into a copy, and gives what puts the texts back. `compile` also gives the text of a file in `dist`.
 */
export async function mutateCopy(
  copy: string,
  mutations: readonly Mutation[],
  compile?: (text: string, file: string) => string,
): Promise<() => Promise<void>> {
  const originals = new Map<string, string>();
  const replace = async (file: string, change: (text: string) => string): Promise<void> => {
    const text = await readFile(join(copy, file), 'utf8');
    originals.set(file, text);
    await writeFile(join(copy, file), change(text));
  };
  for (const file of new Set(mutations.map((each) => each.file))) {
    const ofFile = mutations.filter((each) => each.file === file);
    await replace(file, (text) => applyMutations(text, ofFile));
    const mutated = await readFile(join(copy, file), 'utf8');
    if (compile) await replace(distPath(file), () => compile(mutated, file));
  }
  return async () => {
    for (const [file, text] of originals) await writeFile(join(copy, file), text);
  };
}
