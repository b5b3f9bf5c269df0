import { expect, it } from 'vitest';
import { unannounced } from '../../scripts/breaking-changes.mjs';

const before =
  'type Query { turn(id: ID!): Turn, turns: Int } type Turn { id: ID!, status: Status! } enum Status { RUNNING DONE }';
const log = (...lines: string[]) =>
  `# Changelog\n\n## Unreleased\n\n${lines.join('\n')}\n\n## 1.0.0\n\n- **Breaking**: \`Query.turns\` is gone.\n`;

it('a schema that only grows breaks nobody', () => {
  expect(unannounced(before, before.replace('turns: Int', 'turns: Int, next: Turn'), log())).toEqual([]);
});

it.each([
  ['a field that is gone', before.replace(', turns: Int', ''), 'Query.turns'],
  ['another type of a field', before.replace('turns: Int', 'turns: String'), 'Query.turns'],
  ['an argument that is required', before.replace('turns: Int', 'turns(of: ID!): Int'), 'Query.turns'],
  ['a value of an enum that is gone', before.replace(' DONE', ''), 'DONE'],
])('%s breaks clients, unless the next version says so', (_name, after, subject) => {
  expect(unannounced(before, after, log('- Something else.'))).toHaveLength(1);
  expect(unannounced(before, after, log(`- ${subject} is another: \`${subject}\`.`))).toHaveLength(1);
  expect(unannounced(before, after, log('- **Breaking**: `String`, `Status` and `Query` are others.'))).toHaveLength(1);
  expect(unannounced(before, after, log(`- **Breaking**: \`${subject}\` is another.`))).toEqual([]);
  expect(
    unannounced(before, after, log(`- **Breaking**: \`${subject}\` is another.`).replace('Unreleased', '2.0.0')),
  ).toHaveLength(1);
});
