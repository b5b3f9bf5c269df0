import { ValidationError } from '../../kernel/errors.ts';
import { storable, visible } from '../../kernel/text.ts';

/** As many characters as the column holds; PostgreSQL counts code points, and so is counted here. */
const maxNameChars = 200;
const maxEmailChars = 320;

/** A name that a person chose. Null where nothing in it can be seen. */
export function chosenName(text: string | null | undefined, argument: string): string | null {
  const name = cleaned(text ?? '');
  if (name === null) return null;
  const { length } = [...name];
  if (length > maxNameChars)
    throw ValidationError.of(argument, `must have at most ${maxNameChars} characters, but has ${length}`);
  return name;
}

/** A name that a token claims: not the caller's to correct, so what is too long is cut. */
export function claimedName(text: string | null): string | null {
  const name = cleaned(text ?? '');
  return name === null ? null : [...name].slice(0, maxNameChars).join('').trim();
}

/** An e-mail address that a token claims; half of one is worth nothing, so what is too long is left out. */
export function claimedEmail(text: string | null): string | null {
  const email = cleaned(text ?? '');
  return email === null || [...email].length > maxEmailChars ? null : email;
}

const cleaned = (text: string): string | null => (visible(storable(text)) === '' ? null : storable(text).trim());
