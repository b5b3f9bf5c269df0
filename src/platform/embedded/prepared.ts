import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';

let compiling: Promise<WebAssembly.Module | null> | null = null;

/** PostgreSQL, compiled once for all databases of the process. Null where the package has it elsewhere: then each compiles its own. */
export function compiled(): Promise<WebAssembly.Module | null> {
  const beside = join(createRequire(import.meta.url).resolve('@electric-sql/pglite'), '..', 'pglite.wasm');
  compiling ??= readFile(beside)
    .then((bytes) => WebAssembly.compile(bytes))
    .catch(() => null);
  return compiling;
}

let making: Promise<SharedArrayBuffer> | null = null;

/** A new database, made once: in memory, a copy of it is there several times sooner than one that is made from nothing. */
export function pristine(make: () => Promise<SharedArrayBuffer>): Promise<SharedArrayBuffer> {
  making ??= make().catch((error: unknown) => {
    making = null; // the next one tries again
    throw error;
  });
  return making;
}
