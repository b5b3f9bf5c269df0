import fc from 'fast-check';
import { expect, it } from 'vitest';
import { idOf } from '../../src/graph/ids.ts';
import { fromGlobalId, toGlobalId } from '../../src/kernel/global-id.ts';

const id = '01890000-0000-7000-8000-0000000000ff';

it('gives back the type and the key, and tells types apart', () => {
  fc.assert(
    fc.property(
      fc.uuid(),
      (key) => void expect(fromGlobalId(toGlobalId('Turn', key))).toEqual({ type: 'Turn', id: key }),
    ),
  );
  expect(toGlobalId('Turn', id)).not.toBe(toGlobalId('Message', id));
});

const raw = (text: string) => Buffer.from(text).toString('base64url');

it.each([
  ['nothing', ''],
  ['a key without a type', raw(`:${id}`)],
  ['a type without a key', raw('Turn:')],
  ['a key that is none', raw("Turn:1' OR 1=1")],
  ['a key in capitals, which would be a second id of the same object', raw(`Turn:${id.toUpperCase()}`)],
  ['a key with something after it', raw(`Turn:${id}:x`)],
  ['another spelling of the same bytes', `${toGlobalId('Turn', id)}=`],
  ['the bare key', id],
  ['a megabyte', 'A'.repeat(1_000_000)],
])('refuses %s', (_what, globalId) => {
  expect(fromGlobalId(globalId)).toBeNull();
  expect(() => idOf('Turn', globalId, 'input.id')).toThrow('input.id: is not the id of a Turn');
});

it('refuses the id of an object of another type', () => {
  expect(idOf('Turn', toGlobalId('Turn', id), 'id')).toBe(id);
  expect(() => idOf('Turn', toGlobalId('Message', id), 'id')).toThrow('id: is not the id of a Turn');
});
