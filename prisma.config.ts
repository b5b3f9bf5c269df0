import { defineConfig } from 'prisma/config';

// The command line only generates, validates and formats here; migrations run through the WebAssembly engine
// (src/platform/migrate.ts). Naming any executable keeps the command from downloading an engine that those three never
// start.
process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= process.execPath;

export default defineConfig({ schema: 'prisma/schema', migrations: { path: 'prisma/migrations' } });
