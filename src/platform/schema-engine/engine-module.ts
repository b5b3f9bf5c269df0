import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

type EngineModule = typeof import('@prisma/schema-engine-wasm/schema_engine_bg');
/** The part of the global object that is used here; its types otherwise come with those of a browser. */
declare const WebAssembly: {
  instantiate(
    binary: Uint8Array,
    imports: Record<string, unknown>,
  ): Promise<{ instance: { exports: Record<string, unknown> } }>;
};

type Engine = Pick<EngineModule, 'SchemaEngine'>;

let loading: Promise<Engine> | null = null;

/** Prisma's schema engine. Once per process: the module keeps its instance in a variable of its own. */
export const loadEngine = (): Promise<Engine> => {
  loading ??= instantiate();
  return loading;
};

/**
 * Seam: @prisma/schema-engine-wasm 7.10.0, an instance made by hand of `schema_engine_bg.wasm`, put in by
 * `__wbg_set_wasm` and started by `__wbindgen_start`. The package's own entrance does the same by importing WebAssembly
 * as a module, which Node.js 20 and 22 do not know. Where this fails, that entrance is tried; where it fails as well,
 * migrations do, with the first reason.
 */
async function instantiate(): Promise<Engine> {
  try {
    const glue = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm/schema_engine_bg');
    const [engine, binary] = await Promise.all([
      import('@prisma/schema-engine-wasm/schema_engine_bg'),
      readFile(glue.replace(/\.js$/, '.wasm')),
    ]);
    const { instance } = await WebAssembly.instantiate(binary, { './schema_engine_bg.js': engine });
    engine.__wbg_set_wasm(instance.exports);
    (instance.exports.__wbindgen_start as () => void)();
    return engine;
  } catch (error) {
    return await import('@prisma/schema-engine-wasm').catch(() => {
      throw error;
    });
  }
}
