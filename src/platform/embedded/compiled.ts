import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';

let compiling: Promise<WebAssembly.Module | null> | null = null;

/**
 * Seam: @electric-sql/pglite 0.5.14, the file `pglite.wasm` beside the entrance of the package, which it has no export
 * for. PostgreSQL, compiled once for all databases of the process. Null where the package has it elsewhere: then each
 * database compiles its own.
 */
export function compiled(): Promise<WebAssembly.Module | null> {
  const beside = join(createRequire(import.meta.url).resolve('@electric-sql/pglite'), '..', 'pglite.wasm');
  compiling ??= readFile(beside)
    .then((bytes) => WebAssembly.compile(bytes))
    .catch(() => null);
  return compiling;
}
