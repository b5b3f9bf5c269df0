// @ts-check
/**
 * `node scripts/breaking-changes.mjs BEFORE [AFTER]`: says what in a schema breaks clients of the one before, and fails
 * where the changelog does not. A change is in the changelog where its type, field or value stands in backticks in a
 * line of "Unreleased" that begins with "**Breaking**".
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { buildSchema, findBreakingChanges } from 'graphql';

/** What a description is about: `Type.field`, or a type, a value of an enum, or a directive. */
const subjectOf = (/** @type {string} */ description) =>
  (
    /\b\w+\.\w+\b/.exec(description) ??
    /^(?:Directive )?(\w+) (?:was|no longer|changed)\b/.exec(description) ??
    /(\w+)\W*(?:was \w+\W*)?$/.exec(description)
  )?.slice(-1)[0] ?? description;

/** The lines of the changelog that announce breaking changes of the next version. */
function announcements(/** @type {string} */ changelog) {
  const [, unreleased = ''] = changelog.split(/^## /m);
  return unreleased.startsWith('Unreleased')
    ? unreleased.split('\n').filter((line) => line.startsWith('- **Breaking**'))
    : [];
}

/** Breaking changes that the changelog does not name, each as a sentence. */
export function unannounced(
  /** @type {string} */ before,
  /** @type {string} */ after,
  /** @type {string} */ changelog,
) {
  const lines = announcements(changelog);
  return findBreakingChanges(buildSchema(before), buildSchema(after))
    .map(({ description }) => description)
    .filter((description) => !description.startsWith('Standard scalar ')) // that nothing uses any more
    .filter((description) => !lines.some((line) => line.includes(`\`${subjectOf(description)}\``)));
}

if (process.argv[1] && resolve(process.argv[1]) === import.meta.filename) {
  const [before, after = 'schema.graphql'] = process.argv.slice(2);
  if (!before) throw new Error('Usage: node scripts/breaking-changes.mjs BEFORE [AFTER]');
  const read = (/** @type {string} */ path) => readFileSync(path, 'utf8');
  const found = unannounced(read(before), read(after), read('CHANGELOG.md'));
  for (const description of found) console.error(`Breaks clients, and is not in CHANGELOG.md: ${description}`);
  if (found.length > 0) process.exitCode = 1;
}
