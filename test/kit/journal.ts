import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The module of tools for tests, for TOOLS. */
export const toolsModule = fileURLToPath(new URL('tools.mjs', import.meta.url));

/** The effects that tools of one conversation have had, and the word for slow ones to go on. */
export function createJournal(more: { slow?: boolean } = {}) {
  const journal = join(tmpdir(), `colloquy-journal-${randomUUID()}`);
  const lines = (): { what: string; callId: string; attempt: number }[] =>
    existsSync(journal)
      ? readFileSync(journal, 'utf8')
          .split('\n')
          .filter((line) => line)
          .map((line) => JSON.parse(line))
      : [];
  return {
    metadata: { journal, ...more },
    effects: () => lines().map(({ what }) => what),
    lines,
    go: () => writeFileSync(`${journal}.go`, ''),
  };
}
