import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const run = promisify(execFile);
const tsc = resolve('node_modules/typescript/bin/tsc');

/** All of it once: the build checks nothing, and what is imported here is not checked either. */
it('types hold everywhere: in the product, its tests and its benchmark', async () => {
  type Failure = { code: unknown; signal: unknown; stdout: string; stderr: string };
  const end = await run(process.execPath, [tsc, '--noEmit', '--pretty', 'false']).then(
    ({ stdout }) => ({ code: 0, output: stdout }),
    ({ code, signal, stdout, stderr }: Failure) => ({ code: code ?? signal, output: stdout + stderr }),
  );
  expect(end).toEqual({ code: 0, output: '' });
}, 300_000);
