import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { threadId } from 'node:worker_threads';

/**
 * Preloaded into every process of an instrumented test run. Notes, the first time, which test file reached which fault.
 * It is written at once, because Vitest ends its workers without their exit handlers.
 */
const notes = join(process.env.REACH_DIR, `${process.pid}-${threadId}.txt`);
const reached = new Map();

globalThis.__reach = (id) => {
  const file = globalThis.__vitest_worker__?.filepath;
  if (file === undefined) return;
  if (!reached.has(file)) reached.set(file, new Set());
  const ids = reached.get(file);
  if (ids.has(id)) return;
  ids.add(id);
  appendFileSync(notes, `${file}\t${id}\n`);
};
