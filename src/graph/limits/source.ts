import { maxDepth } from './cost.ts';
import { refusal } from './refusal.ts';
import { maxValueDepth } from './shape.ts';

/** Characters of a document: enough for several of the longest messages in it, which belong into variables. */
const maxCharacters = 200_000;
/** Brackets of any kind within one another: no document within the limits of fields and values needs as many. */
const maxNesting = 100;

/**
 * Refuses the text of a document that is too long to be parsed: more than so many words and signs, as many lines, or
 * brackets within brackets. The parser counts words but neither comments nor lines, and each error of a document looks
 * for its line from the first one on: a hundred errors behind sixty thousand empty lines held the event loop for half a
 * second. One look at each character, before anything is made of it.
 */
export function refuseLongDocument(source: string, maxTokens: number): void {
  if (source.length > maxCharacters) throw tooMany(maxCharacters, 'characters');
  const scan = new Scan(source);
  while (scan.advance()) {
    if (scan.depth > maxNesting) throw tooNested();
    if (scan.tokens > maxTokens) throw tooMany(maxTokens, 'words and signs');
    if (scan.lines > maxTokens) throw tooMany(maxTokens, 'lines');
  }
}

const tooNested = () =>
  refusal(
    `The query has more than ${maxNesting} brackets within one another. Fields may be ${maxDepth} levels deep, and ` +
      `values ${maxValueDepth} levels.`,
  );

export const tooMany = (limit: number, what: string) =>
  refusal(
    `The query has more than ${limit} ${what}, which is the limit. Ask for less at once, and put values into ` +
      'variables.',
  );

const hash = 0x23;
const quote = 0x22;
const backslash = 0x5c;
const dot = 0x2e;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const byteOrderMark = 0xfeff;

const [ignored, lineEnd, word, opening, closing, sign] = [0, 1, 2, 3, 4, 5];

/** What each character of ASCII is to the lexer of GraphQL. */
const kinds = Uint8Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code);
  if (character === '\n' || character === '\r') return lineEnd!;
  if (/[ \t,]/.test(character)) return ignored!;
  if (/[\w+-]/.test(character)) return word!;
  if (/[[({]/.test(character)) return opening!;
  return /[\])}]/.test(character) ? closing! : sign!;
});

const kindOf = (code: number): number =>
  code < kinds.length ? kinds[code]! : code === byteOrderMark ? ignored! : sign!;

/** A walk over the text of a document as its lexer would go, which makes nothing of what it finds. */
class Scan {
  tokens = 0;
  lines = 0;
  depth = 0;
  private at = 0;
  private readonly source: string;

  constructor(source: string) {
    this.source = source;
  }

  /** Passes over one token, comment, or character that means nothing; false at the end of the text. */
  advance(): boolean {
    const { source } = this;
    if (this.at >= source.length) return false;
    const code = source.charCodeAt(this.at);
    const kind = kindOf(code);
    if (kind === ignored || kind === lineEnd) this.step();
    else if (code === hash) this.skipComment();
    else this.skipToken(code, kind);
    return true;
  }

  private skipToken(code: number, kind: number): void {
    this.tokens += 1;
    if (kind === opening) this.depth += 1;
    if (kind === closing) this.depth -= 1;
    if (kind === word) this.skipWord();
    else if (code === quote) this.skipString();
    else this.at += this.source.startsWith('...', this.at) ? 3 : 1;
  }

  /** One character further, which may be the end of a line; of the two of Windows the second one is. */
  private step(): void {
    const code = this.source.charCodeAt(this.at);
    this.at += 1;
    if (code === lineFeed || (code === carriageReturn && this.source.charCodeAt(this.at) !== lineFeed)) this.lines += 1;
  }

  private isAtLineEnd(): boolean {
    const code = this.source.charCodeAt(this.at);
    return code === lineFeed || code === carriageReturn;
  }

  private skipComment(): void {
    while (this.at < this.source.length && !this.isAtLineEnd()) this.at += 1;
  }

  /** A name or a number, which may have a point. */
  private skipWord(): void {
    const { source } = this;
    for (this.at += 1; this.at < source.length; this.at += 1) {
      const code = source.charCodeAt(this.at);
      if (code >= kinds.length || (kinds[code] !== word && (code !== dot || source.startsWith('...', this.at)))) return;
    }
  }

  private skipString(): void {
    if (this.source.startsWith('"""', this.at)) this.skipBlockString();
    else this.skipPlainString();
  }

  /** Up to its quote, or to the end of its line where it has none. */
  private skipPlainString(): void {
    const { source } = this;
    for (this.at += 1; this.at < source.length && !this.isAtLineEnd(); this.at += 1) {
      const code = source.charCodeAt(this.at);
      if (code === backslash) this.at += 1;
      if (code === quote) {
        this.at += 1;
        return;
      }
    }
  }

  private skipBlockString(): void {
    const { source } = this;
    this.at += 3;
    while (this.at < source.length) {
      const code = source.charCodeAt(this.at);
      if (code === quote && source.startsWith('"""', this.at)) {
        this.at += 3;
        return;
      }
      if (code === backslash && source.startsWith('"""', this.at + 1)) this.at += 4;
      else this.step();
    }
  }
}
