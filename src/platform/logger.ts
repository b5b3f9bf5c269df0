import { type DestinationStream, type LevelWithSilent, type Logger as PinoLogger, pino } from 'pino';
import pretty from 'pino-pretty';

/**
 * Writes one JSON line per event. Facts first, then words: `logger.info({ turnId }, 'turn settled')`; a fault goes in
 * as `err`.
 */
export type Logger = PinoLogger;

type Options = {
  level: LevelWithSilent;
  /** Always JSON lines; elsewhere a terminal gets lines for people. */
  production: boolean;
  /** Where lines go instead of standard output. */
  destination?: DestinationStream;
};

/**
 * Names whose values are never logged, at the top of a line's facts or up to two levels below: secrets, and what people
 * wrote.
 */
const hidden = [
  ...[
    'authorization',
    'cookie',
    'apiKey',
    'password',
    'token',
    'accessToken',
    'refreshToken',
    'secret',
    'databaseUrl',
    'redisUrl',
  ],
  ...['connectionParams', 'variables', 'prompt', 'content'],
];

/** Makes a logger that hides secrets and serialises errors with their causes. */
export function createLogger({ level, production, destination }: Options): Logger {
  const settings = {
    level,
    redact: { paths: hidden.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '[redacted]' },
    serializers: { err: serialiseError, error: serialiseError },
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  if (destination) return pino(settings, destination);
  if (production || !process.stdout.isTTY) return pino(settings);
  return pino(
    settings,
    pretty({ colorize: true, sync: true, translateTime: 'SYS:HH:MM:ss.l', ignore: 'pid,hostname' }),
  );
}

type SerialisedError = {
  type: string;
  message: string;
  stack?: string;
  code?: string;
  cause?: unknown;
  errors?: unknown[];
};

/**
 * An error as it is logged: name, message, stack, code, and what caused it. Other properties are left out on purpose,
 * because libraries hang whole requests on their errors, headers and bodies included.
 */
function serialiseError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return scrubbedValue(error, depth);
  const line: SerialisedError = { type: error.name, message: scrubbed(error.message) };
  if (error.stack) line.stack = scrubbed(error.stack);
  if ('code' in error) line.code = scrubbed(String(error.code).slice(0, 200));
  if (depth >= maxDepth) return line;
  if (error.cause !== undefined) line.cause = serialiseError(error.cause, depth + 1);
  // Node reports a refused connection as one error per address it tried, under an empty message.
  if (error instanceof AggregateError)
    line.errors = error.errors.slice(0, maxDepth).map((inner) => serialiseError(inner, depth + 1));
  return line;
}

/** Causes may form a circle. */
const maxDepth = 4;
/**
 * What is thrown, or given as a cause, may be a body that a server sent: entries of each of its lists and objects that
 * are logged.
 */
const maxEntries = 20;

/**
 * What is no error, as it is logged: its shape, with text that is scrubbed, and nothing under a name whose values are
 * never logged.
 */
function scrubbedValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return scrubbed(value.slice(0, maxText));
  if (typeof value !== 'object' || value === null) return typeof value === 'bigint' ? String(value) : value;
  if (value instanceof Error) return serialiseError(value, depth);
  if (depth >= maxDepth) return '[…]';
  if (Array.isArray(value)) return value.slice(0, maxEntries).map((each) => scrubbedValue(each, depth + 1));
  const entries = Object.entries(value).slice(0, maxEntries);
  return Object.fromEntries(
    entries.map(([name, each]) => [
      scrubbed(name.slice(0, 100)),
      hidden.includes(name) ? '[redacted]' : scrubbedValue(each, depth + 1),
    ]),
  );
}

const maxText = 2_000;

/** Text without what looks like a credential: bearer tokens, API keys, and the password of an address. */
const scrubbed = (text: string): string =>
  text
    .replace(/\bBearer\s+[\w.~+/=-]+/gi, 'Bearer [redacted]')
    .replace(/[\w.-]+/g, withoutTokens)
    .replace(/\bsk-[\w*-]{6,}/g, '[redacted]')
    .replace(/(:\/\/[^\s:/@]*):[^\s/@]+@/g, '$1:[redacted]@');

/**
 * Text without blanks, without the tokens in it: three words with points between, of which the first begins like one.
 * Taken apart at its points and looked through once: tried at each place where a token may begin, 64 KB of an error
 * held the event loop for two seconds.
 */
function withoutTokens(text: string): string {
  if (!text.includes('eyJ')) return text;
  const words = text.split('.');
  const kept: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    const start = /(?<!\w)eyJ(?=[\w-])/.exec(word)?.index;
    const isToken = start !== undefined && Boolean(words[at + 1]) && at + 2 < words.length;
    kept.push(isToken ? `${word.slice(0, start)}[redacted]` : word);
    if (isToken) at += 2;
  }
  return kept.join('.');
}

/** The part of the log that the database's machinery needs. */
export type DatabaseLog = { info(facts: object, message: string): void; warn(facts: object, message: string): void };
