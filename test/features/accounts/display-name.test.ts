import { expect, it } from 'vitest';
import { chosenName, claimedEmail, claimedName } from '../../../src/features/accounts/display-name.ts';
import { ValidationError } from '../../../src/kernel/errors.ts';

it('keeps a name as it was chosen, but for the white space around it', () => {
  expect(chosenName('  Zoë 👩‍👩‍👧 ', 'displayName')).toBe('Zoë 👩‍👩‍👧');
});

it.each([null, undefined, '', ' \t\n', '\u200b\u202e'])('takes %j for no name', (name) => {
  expect(chosenName(name, 'displayName')).toBeNull();
});

it('makes storable what the database would refuse', () => {
  expect(chosenName('a\u0000b\ud800', 'displayName')).toBe('a\ufffdb\ufffd');
});

it('takes 200 characters as the database counts them, and says what came where there are more', () => {
  expect(chosenName('😀'.repeat(200), 'displayName')).toHaveLength(400);
  expect(() => chosenName('😀'.repeat(201), 'displayName')).toThrow(
    ValidationError.of('displayName', 'must have at most 200 characters, but has 201'),
  );
});

it('cuts a name that a token claims, and leaves out an e-mail address that does not fit', () => {
  expect(claimedName(`${'😀'.repeat(200)}x`)).toBe('😀'.repeat(200));
  expect(claimedName(null)).toBeNull();
  expect(claimedEmail('a@example.com')).toBe('a@example.com');
  expect(claimedEmail(`${'a'.repeat(320)}@example.com`)).toBeNull();
});
