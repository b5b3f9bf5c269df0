import { createHash } from 'node:crypto';

export const sha256 = (text: string): string => createHash('sha256').update(text, 'utf8').digest('hex');

/**
 * Text that PostgreSQL stores and every client gets back unchanged: NUL and unpaired surrogates become U+FFFD.
 * Called where text enters (a client, a model), before anything is derived from it.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: NUL is the very thing looked for
export const storable = (text: string): string => text.toWellFormed().replace(/\u0000/g, '\uFFFD');

/** What is left after removing what a person cannot see: white space, zero-width and direction marks. */
export const visible = (text: string): string => text.replace(/[\s\p{Cf}\p{Cc}]/gu, '');

const isHighSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff;

/** `end`, or one less where cutting there would part a surrogate pair. */
export const wholeEnd = (text: string, end: number): number =>
  end > 0 && end < text.length && isHighSurrogate(text.charCodeAt(end - 1)) ? end - 1 : end;

/** The beginning of a text, as it can be stored: no half of a pair is left at its end. */
export const beginning = (text: string, max: number): string => storable(text.slice(0, wholeEnd(text, max)));

/** Whether the last UTF-16 unit waits for its other half. */
export const endsInHalf = (text: string): boolean =>
  text.length > 0 && isHighSurrogate(text.charCodeAt(text.length - 1));

/** Characters of a language tag, as many as RFC 5646 asks everybody to leave room for. */
export const maxLanguageTag = 35;

/**
 * A BCP 47 tag in its canonical form ("PT-br" is "pt-BR", "iw" is "he"); null for anything else. No language has a code
 * of more than three letters.
 */
export function languageTag(text: string): string | null {
  if (text.length > maxLanguageTag || !/^[a-z]{2,3}(-|$)/i.test(text)) return null;
  try {
    const [tag = ''] = Intl.getCanonicalLocales(text);
    return tag.length <= maxLanguageTag ? tag : null;
  } catch {
    return null;
  }
}
