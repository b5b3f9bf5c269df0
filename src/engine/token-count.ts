import { performance } from 'node:perf_hooks';
import { breathe } from '../kernel/async.ts';
import { wholeEnd } from '../kernel/text.ts';

/**
 * The time of the tokenizer grows with the square of an unbroken run: 200,000 letters without a space took it 20 s,
 * slices of this take 0.3 s.
 */
const sliceLength = 512;
/** How long the event loop is held at a time, by all counts that are under way together. */
const holdMs = 5;

/**
 * One count at a time has its turn: a hundred that each held the loop for their own five milliseconds held it for half
 * a second.
 */
let last: Promise<void> = Promise.resolve();

/** Counts a piece when those who asked before have had their turn. */
function inTurn<T>(count: () => T): Promise<T> {
  const done = last.then(count);
  last = done.then(breathe, () => {});
  return done;
}

const noSpecials = { disallowedSpecial: new Set<string>() };

/**
 * Tokens of a text as GPT-4o and later count them: exact for words with spaces between, off by some thousandths where
 * there are none. The first call loads the tables (about 0.15 s, 60 MB): call it once at start to have that over with.
 */
export async function countTokens(text: string): Promise<number> {
  const { countTokens: count, setMergeCacheSize } = await import('gpt-tokenizer/encoding/o200k_base');
  // Once full, that cache made some texts of 200,000 characters take 17 s; it also keeps what people wrote. Without it
  // nothing is slow.
  setMergeCacheSize(0);
  let tokens = 0;
  let start = 0;
  const countOn = () => {
    for (const until = performance.now() + holdMs; start < text.length && performance.now() < until; ) {
      const end = sliceEnd(text, start);
      tokens += count(text.slice(start, end), noSpecials);
      start = end;
    }
  };
  while (start < text.length) await inTurn(countOn);
  return tokens;
}

/**
 * The end of the next slice: before a single space where there is one, as a token may begin with it but none spans it.
 */
function sliceEnd(text: string, start: number): number {
  const end = start + sliceLength;
  if (end >= text.length) return text.length;
  for (let at = end; at > start + sliceLength / 2; at--) {
    if (text[at] === ' ' && !isSpace(text[at - 1]!) && !isSpace(text[at + 1] ?? ' ')) return at;
  }
  return wholeEnd(text, end);
}

const isSpace = (character: string): boolean => /\s/.test(character);
