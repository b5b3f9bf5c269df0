// @ts-check
/**
 * `node scripts/run.mjs FILE [arguments]`: builds the product where that has to be done, and runs one of its files,
 * such as `main.js` or `app/commands/token.js`, in this very process, so that signals and the exit code are its own.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { dist, isBuilt } from './sources.mjs';

const parent = process.ppid;
const [file = 'main.js'] = process.argv.slice(2);

if (!isBuilt()) {
  // In a process of its own, whose memory is given back with it.
  const { status } = spawnSync(process.execPath, [join(import.meta.dirname, 'build.mjs')], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status !== 0) process.exit(status ?? 1);
}

/**
 * npm runs a script in a shell, which passes no signal on: when npm is told to end, this process is left without a
 * parent. It ends then as if it had been told, unless it was: a second signal would end it at once.
 */
function endWithNpm() {
  const timer = setInterval(() => {
    if (process.ppid !== parent) process.kill(process.pid, 'SIGTERM');
  }, 500);
  timer.unref();
  for (const signal of /** @type {const} */ (['SIGTERM', 'SIGINT']))
    process.once(signal, () => {
      clearInterval(timer);
      // Nobody else takes it: it ends as it would have.
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
    });
}
if (file === 'main.js' && process.env.npm_lifecycle_event === 'start') endWithNpm();

const script = join(dist, file);
process.argv.splice(1, 2, script);
await import(pathToFileURL(script).href);
