import { expect, it } from 'vitest';
import { compiled } from '../../../src/platform/embedded/compiled.ts';

it('PGlite has the file that is compiled once for all databases of a process', async () => {
  // Null where the file is elsewhere: see src/platform/embedded/compiled.ts.
  expect(await compiled()).toBeInstanceOf(WebAssembly.Module);
  expect(compiled()).toBe(compiled());
});
