let making: Promise<SharedArrayBuffer> | null = null;

/**
 * A new database, made once: in memory, a copy of it is there several times sooner than one that is made from nothing.
 */
export function pristine(make: () => Promise<SharedArrayBuffer>): Promise<SharedArrayBuffer> {
  making ??= make().catch((error: unknown) => {
    making = null; // the next one tries again
    throw error;
  });
  return making;
}
