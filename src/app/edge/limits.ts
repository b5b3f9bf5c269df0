import type { Viewer } from '../../contracts/viewer.ts';
import type { JsonBounds } from '../../kernel/json-bounds.ts';

/** What one message may be before anything is made of it. */
export type MessageLimits = {
  /** Of the body of a request, or of a message of a socket. */
  bytes: number;
  /** Words and signs of a document, and its lines. */
  tokens: number;
  json: JsonBounds;
  /** Of whom these are the limits, in a message that says so; empty where they are those of everybody. */
  whose: string;
};

/** The largest message of anybody. */
export const maxMessageBytes = 1_000_000;
/** Twice as deep as anything that is stored may be. */
const maxDepth = 128;
/** Names of objects are what JSON costs most: a megabyte with many more held the loop for a quarter of a second. */
const maxValues = 20_000;

/**
 * A socket that has not said who it is: nothing is expected from it but that, in a message with one token (of 8,192
 * characters at most).
 */
export const ofGreeting: MessageLimits = {
  bytes: 8_192,
  tokens: 0,
  json: { depth: maxDepth, values: 200 },
  whose: ' before the acknowledgement',
};

/** A ping of graphql-ws with its payload, which is sent back; what is in a longer one is not. */
export const pingBytes = 1_024;

/**
 * Somebody without a token asks for a guest session, or for the schema: the query of GraphiQL has 2 KB and 500 words.
 * All that the parser, the rules and the executor do with so little takes less than 10 ms.
 */
const ofStrangers: MessageLimits = {
  bytes: 16_384,
  tokens: 1_000,
  json: { depth: maxDepth, values: 200 },
  whose: ' for somebody without a token',
};

/** What whoever asks may send in one message; `maxObjects` bounds the document of somebody with a token. */
export const messageLimits = (viewer: Viewer | null, maxObjects: number): MessageLimits =>
  viewer
    ? { bytes: maxMessageBytes, tokens: maxObjects, json: { depth: maxDepth, values: maxValues }, whose: '' }
    : { ...ofStrangers, tokens: Math.min(ofStrangers.tokens, maxObjects) };

/** What is wrong with a JSON text that goes beyond a bound. */
export const beyondBounds = (what: 'depth' | 'values', { json, whose }: MessageLimits): string =>
  what === 'depth'
    ? `It is nested more than ${json.depth} levels deep, which is the limit${whose}.`
    : `It has more than ${json.values} values, which is the limit${whose}.`;
