// @ts-check
/**
 * Seam: @electric-sql/pglite 0.5.14, parts of `lite.Module`, which is PostgreSQL as Emscripten has compiled it: the
 * function `_PostgresMainLoopOnce`, the places `_QueryCancelPending` and `_InterruptPending`, and the memory `HEAPU8`.
 * PGlite has no public method that ends a statement, and none that says that PostgreSQL has broken down. Where the
 * parts are gone, the time limit ends the thread with whatever hangs in it: see `thread.ts`.
 */

/** @typedef {import('@electric-sql/pglite').PGlite} PGlite */
/**
 * @typedef {{ HEAPU8?: Uint8Array, _QueryCancelPending?: number, _InterruptPending?: number, _PostgresMainLoopOnce?: ()
 * => void }} Insides
 */

const insidesOf = (/** @type {PGlite} */ lite) => /** @type {Insides} */ (/** @type {unknown} */ (lite.Module));

/** PostgreSQL's own jump out of a failed statement. Whatever else leaves it has left it in the middle of something. */
const jumpStatus = 100;

/**
 * PGlite goes on after whatever was thrown, a trap of WebAssembly and the end of PostgreSQL among it, on what is left
 * of the memory, and often for ever. `fail` is called with it before. False where it cannot be seen.
 */
export function onTrap(/** @type {PGlite} */ lite, /** @type {(error: unknown) => void} */ fail) {
  const postgres = insidesOf(lite);
  const run = postgres._PostgresMainLoopOnce;
  if (!run) return false;
  postgres._PostgresMainLoopOnce = () => {
    try {
      run();
    } catch (error) {
      if (/** @type {{ status?: unknown }} */ (error)?.status !== jumpStatus) fail(error);
      throw error;
    }
  };
  return true;
}

/**
 * Makes PostgreSQL end its statement at its next look at these flags, as its signal handlers do. False where it has
 * none.
 */
export function cancelStatement(/** @type {PGlite} */ lite) {
  const { HEAPU8, _QueryCancelPending, _InterruptPending } = insidesOf(lite);
  if (!HEAPU8 || !_QueryCancelPending || !_InterruptPending) return false;
  new DataView(HEAPU8.buffer).setInt32(_QueryCancelPending, 1, true);
  new DataView(HEAPU8.buffer).setInt32(_InterruptPending, 1, true);
  return true;
}
