import { ValidationError } from '../../kernel/errors.ts';
import { type JsonObject, storableJson } from '../../kernel/json.ts';
import { languageTag, maxLanguageTag, storable, visible, wholeEnd } from '../../kernel/text.ts';

export const maxTitle = 200;
export const maxSystemPrompt = 32_000;
/** Bytes of JSON; metadata is for labels, not for documents. */
export const maxMetadata = 16_384;

/** A title as the user gave it: trimmed, and something that can be seen. */
export function parseTitle(title: string, path = 'input.title'): string {
  const clean = storable(title).trim();
  if (visible(clean) === '') throw ValidationError.of(path, 'must contain at least one visible character');
  if (clean.length > maxTitle)
    throw ValidationError.of(path, `must have at most ${maxTitle} characters, but has ${clean.length}`);
  return clean;
}

/** The title before anybody made one: the beginning of the first message. */
export function titleFrom(firstMessage: string): string {
  const line = firstMessage
    .replace(/^[\s\p{Cf}\p{Cc}]+/u, '')
    .replace(/\s+/g, ' ')
    .trim();
  return line.length <= 50 ? line : `${line.slice(0, wholeEnd(line, 50)).trimEnd()}…`;
}

/**
 * The title of a copy that is told from the others: "Tea (2)", or the next number that none of these titles has, which
 * are those of its owner that begin alike.
 */
export function copyTitle(title: string, others: readonly string[]): string {
  const base = baseTitle(title);
  const numberOf = (other: string): number => {
    const [, number = '1'] = / \((\d{1,6})\)$/.exec(other) ?? [];
    return other === `${base} (${number})` ? Number(number) : 1;
  };
  return `${base} (${Math.max(1, ...others.map(numberOf)) + 1})`;
}

/** A title without its number, as long as leaves room for another. */
export function baseTitle(title: string): string {
  const base = title.replace(/ \(\d{1,6}\)$/, '');
  const most = maxTitle - ' (1000000)'.length;
  return base.length <= most ? base : base.slice(0, wholeEnd(base, most)).trimEnd();
}

/** The title of a conversation without messages. */
export const datedTitle = (now: Date): string => `Conversation of ${now.toISOString().slice(0, 10)}`;

export function parseLanguage(language: string): string {
  const tag = languageTag(language);
  if (tag !== null) return tag;
  const examples = '"es", "pt-BR" or "zh-Hant-TW"';
  const expected = `must be a BCP 47 language tag of at most ${maxLanguageTag} characters such as ${examples}`;
  throw ValidationError.of('input.language', `${expected}, not "${storable(language.slice(0, 50))}"`);
}

export function parseSystemPrompt(prompt: string): string {
  if (prompt.length > maxSystemPrompt)
    throw ValidationError.of(
      'input.systemPrompt',
      `must have at most ${maxSystemPrompt} characters, but has ${prompt.length}`,
    );
  return storable(prompt);
}

export function parseMetadata(metadata: unknown): JsonObject {
  if (metadata === null || typeof metadata !== 'object' || Array.isArray(metadata))
    throw ValidationError.of('input.metadata', 'must be a JSON object');
  // First: what is nested without end cannot even be measured.
  const clean = ValidationError.within('input.metadata', () => storableJson(metadata)) as JsonObject;
  const size = Buffer.byteLength(JSON.stringify(clean));
  if (size > maxMetadata)
    throw ValidationError.of('input.metadata', `must have at most ${maxMetadata} bytes as JSON, but has ${size}`);
  return clean;
}
