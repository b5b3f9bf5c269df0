/** Why the process cannot start, in words for whoever started it: what, where, and what to do. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

const wordsOf = (error: unknown): string =>
  error instanceof Error ? error.message || String((error as NodeJS.ErrnoException).code) : String(error);

/** The database that was configured does not take us in. Names the address without its password. */
export function databaseFault(url: string, error: unknown): StartError {
  const { hostname, port, pathname, username } = new URL(url);
  const place = `${username ? `${username}@` : ''}${hostname}:${port || 5432}${pathname}`;
  return new StartError(
    `DATABASE_URL: PostgreSQL at ${place} did not answer (${wordsOf(error)}). Check that it runs, and the address, ` +
      'user and database.',
    {
      cause: error,
    },
  );
}

/** The address to listen on cannot be had. */
export function listenFault(
  { host, port }: { host: string; port: number },
  error: unknown,
  variable: 'PORT' | 'METRICS_PORT' = 'PORT',
): StartError {
  const isTaken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE';
  const what = isTaken
    ? `is in use by another process: stop it, or choose another ${variable}`
    : `cannot be listened on (${wordsOf(error)})`;
  return new StartError(`${variable}: ${host}:${port} ${what}.`, { cause: error });
}
