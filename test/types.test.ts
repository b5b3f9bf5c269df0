import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const run = promisify(execFile);
const tsc = resolve('node_modules/typescript/bin/tsc');

/** All of it once: the build checks nothing, and what is imported here is not checked either. */
it('types hold everywhere: in the product, its tests and its benchmark', async () => {
  const { stdout } = await run(process.execPath, [tsc, '--noEmit', '--pretty', 'false']).catch((error: { stdout: string }) => error);
  expect(stdout).toBe('');
}, 300_000);
