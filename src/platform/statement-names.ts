/** A server keeps named statements for each connection: so many texts get a name, and the rest go without. */
const maxNames = 500;

/**
 * Names for statements, so that the server parses and plans each once a connection and not every time it comes. The
 * same text has the same name. A pooler that deals out connections by transaction does not know them, unless it is
 * PgBouncer 1.21 or later: an address that says `pgbouncer=true`, as Prisma's do, gets none.
 */
export function createStatementNames(url: string): (text: string) => string {
  if (new URL(url).searchParams.get('pgbouncer') === 'true') return () => '';
  const names = new Map<string, string>();
  return (text) => {
    const known = names.get(text);
    if (known !== undefined || names.size >= maxNames) return known ?? '';
    const name = `colloquy_${names.size + 1}`;
    names.set(text, name);
    return name;
  };
}
