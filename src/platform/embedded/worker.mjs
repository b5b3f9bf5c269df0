// @ts-check
/**
 * The thread that the embedded database lives in; `thread.ts` starts it and speaks to it. It is JavaScript as it is
 * run: what is started from the sources has no compiler in its threads.
 *
 * To it: bytes of PostgreSQL's protocol, which are answered one after the other, or 'close'. From it: `{ ready: true }`
 * once, an `ArrayBuffer` for each answer, `{ snapshot }` where that is the task, and `{ fault }` with the reason where
 * the database cannot go on.
 */
import { existsSync } from 'node:fs';
import { readFile, rename, rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { parentPort, workerData } from 'node:worker_threads';
import { gunzip } from 'node:zlib';
import { PGlite } from '@electric-sql/pglite';
import { joined } from './joined.mjs';
import { cancelStatement, onTrap } from './postgres-module.mjs';

/**
 * @typedef {object} Task
 * @property {string | null} place the directory of the database, which is made where it is not there; null for memory
 * @property {SharedArrayBuffer | null} snapshot what a database in memory begins with
 * @property {WebAssembly.Module | null} module PostgreSQL, compiled; null: it is compiled here
 * @property {boolean} isSnapshot whether a snapshot of a new database is to be made, and nothing else
 */
const { place, snapshot, module, isSnapshot } = /** @type {Task} */ (workerData);
const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort);

/** What PostgreSQL said last of why it cannot go on. */
let lastWords = '';

/** @type {import('@electric-sql/pglite').PGliteOptions} */
const options = {
  ...(module ? { pgliteWasmModule: module } : {}),
  onStderr(line) {
    const words = /\b(?:PANIC|FATAL):\s+(.*)/.exec(line)?.[1];
    if (words) lastWords = words;
    return false;
  },
};

/**
 * An empty database that the build has packed, which is opened in a tenth of the time in which PostgreSQL makes one;
 * sources have none.
 */
const packed = new URL('../../empty-database.tar.gz', import.meta.url);

/**
 * Made beside its place and moved there whole: a process killed in between would otherwise leave half a database that
 * nobody can open.
 */
async function initialize(/** @type {string} */ directory) {
  const draft = `${directory}.new`;
  await rm(draft, { recursive: true, force: true });
  if (!(await unpack(draft))) await (await PGlite.create({ ...options, dataDir: draft })).close();
  await rename(draft, directory);
}

/** False, and nothing is there, where there is no packed one, or none that can be used: PostgreSQL makes one then. */
async function unpack(/** @type {string} */ draft) {
  try {
    // Here and not in PGlite, where a broken one would end the thread.
    const files = await promisify(gunzip)(await readFile(packed));
    await (await PGlite.create({ ...options, loadDataDir: new Blob([files]), dataDir: draft })).close();
    return true;
  } catch {
    await rm(draft, { recursive: true, force: true });
    return false;
  }
}

async function open() {
  if (place !== null) {
    if (!existsSync(place)) await initialize(place);
    return PGlite.create({ ...options, dataDir: place });
  }
  return PGlite.create(snapshot ? { ...options, loadDataDir: new Blob([new Uint8Array(snapshot).slice()]) } : options);
}

/** Ends the thread, with the files as they are: the same as the end of a process for them. */
function fail(/** @type {unknown} */ error) {
  port.postMessage({ fault: lastWords || (error instanceof Error ? error.message : String(error)) });
  process.exit(1);
}

/** The number of the call that is being answered, counted from 1; 0 while there is none. */
let current = 0;

function serve(/** @type {PGlite} */ lite) {
  let calls = 0;
  /** @type {Promise<void>} */
  let last = Promise.resolve();

  async function respond(/** @type {Uint8Array} */ messages) {
    /** @type {Uint8Array<ArrayBuffer>[]} */
    const chunks = [];
    calls += 1;
    current = calls;
    // The bytes are a window into the database's memory, which what comes next overwrites: hence the copy.
    await lite.execProtocolRawStream(messages, { onRawData: (bytes) => void chunks.push(new Uint8Array(bytes)) });
    current = 0;
    const [first, ...others] = chunks;
    const { buffer } = first && others.length === 0 ? first : joined(chunks);
    port.postMessage(buffer, [buffer]);
  }
  async function close() {
    await lite.close();
    process.exit(0);
  }
  port.on('message', (/** @type {Uint8Array | 'close'} */ message) => {
    last = last.then(() => (message === 'close' ? close() : respond(message))).catch(fail);
  });
  // Called by `interrupt-thread.ts` while PostgreSQL computes. Where the call has ended meanwhile, nothing is to be
  // done.
  Object.assign(globalThis, { cancelCall: (/** @type {number} */ call) => call === current && cancelStatement(lite) });
  port.postMessage({ ready: true });
}

async function makeSnapshot(/** @type {PGlite} */ lite) {
  const bytes = new Uint8Array(await (await lite.dumpDataDir('none')).arrayBuffer());
  const shared = new SharedArrayBuffer(bytes.length);
  new Uint8Array(shared).set(bytes);
  port.postMessage({ snapshot: shared });
  process.exit(0);
}

try {
  const lite = await open();
  onTrap(lite, fail);
  if (isSnapshot) await makeSnapshot(lite);
  else serve(lite);
} catch (error) {
  fail(error);
}
