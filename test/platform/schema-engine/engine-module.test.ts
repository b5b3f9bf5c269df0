import { expect, it } from 'vitest';
import { loadEngine } from '../../../src/platform/schema-engine/engine-module.ts';

it('the schema engine is made of its parts by hand, once', async () => {
  // Not the package's own entrance, which Node.js 20 cannot import. Fails where its parts have changed: see
  // src/platform/schema-engine.
  const parts = await import('@prisma/schema-engine-wasm/schema_engine_bg');
  const engine = await loadEngine();
  expect(engine.SchemaEngine).toBe(parts.SchemaEngine);
  expect(parts.version()).toMatch(/^[0-9a-f]{40}$/);
  expect(await loadEngine()).toBe(engine);
});
