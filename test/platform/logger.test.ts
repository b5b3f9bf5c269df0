import { expect, it } from 'vitest';
import { createLogger } from '../../src/platform/logger.ts';

function captured() {
  const lines: string[] = [];
  const logger = createLogger({ level: 'info', production: true, destination: { write: (line) => lines.push(line) } });
  return { logger, lines, last: () => JSON.parse(lines.at(-1)!) };
}

it.each([
  { authorization: 'hunter2' },
  { req: { headers: { authorization: 'hunter2', cookie: 'hunter2' } } },
  { connectionParams: { authorization: 'hunter2', anything: 'hunter2' } },
  { openai: { apiKey: 'hunter2' } },
  { password: 'hunter2', token: 'hunter2', auth: { secret: 'hunter2' } },
  { request: { variables: { input: { content: 'hunter2' } } } },
])('hides what %o holds', (facts) => {
  const { logger, lines } = captured();
  logger.info(facts, 'seen');
  logger.child(facts).info('seen');
  expect(lines).toHaveLength(2);
  for (const line of lines) expect(line).toContain('[redacted]');
  expect(lines.join('')).not.toContain('hunter2');
});

it('keeps an error with its causes, without what libraries hang on it', () => {
  const { logger, last } = captured();
  const cause = Object.assign(
    new Error('connect postgresql://u:hunter2@db/x with Bearer hunter2 and sk-hunter2hunter2'),
    { code: 'ECONNREFUSED' },
  );
  const error = Object.assign(new TypeError('outer', { cause }), { headers: { 'x-key': 'hunter2' } });
  logger.error({ err: error }, 'failed');
  const { err } = last();
  expect(err).toMatchObject({ type: 'TypeError', message: 'outer', cause: { code: 'ECONNREFUSED' } });
  expect(err.stack).toContain('logger.test');
  expect(JSON.stringify(err)).not.toContain('hunter2');
});

it.each([
  { message: 'Bearer hunter2 and sk-hunter2hunter2', code: 502 },
  { error: { message: 'postgresql://u:hunter2@db/x' }, apiKey: 'hunter2' },
  ['sk-hunter2hunter2', { nested: { token: 'hunter2', deep: { deeper: { deepest: 'hunter2' } } } }],
  'Bearer hunter2',
])('scrubs a cause, or what was thrown, that is no error: %j', (cause) => {
  const { logger, lines } = captured();
  logger.warn({ err: new Error('outer', { cause }) }, 'failed');
  logger.warn({ err: cause }, 'failed');
  logger.warn({ err: Object.assign(new Error('outer'), { code: 'sk-hunter2hunter2' }) }, 'failed');
  expect(lines).toHaveLength(3);
  expect(lines.join('')).not.toContain('hunter2');
});

it.each([
  'eyJhbGciOi.eyJzdWI.c2ln',
  'token-eyJhbGciOi.eyJzdWI.c2ln',
  'a.b eyJh-_Oi.eyJ.',
  'x.eyJhbGciOi.eyJzdWI.c2ln',
  'eyJx.eyJhbGciOi.eyJzdWI.c2ln',
])('leaves nothing of a token that stands in words: %s', (words) => {
  const { logger, last } = captured();
  logger.warn({ err: new Error(`refused: ${words}, and more`) }, 'failed');
  expect(last().err.message).toMatch(/^refused: [\w.-]* ?\[redacted\][\w.-]*, and more$/);
  expect(last().err.message).not.toMatch(/hbGciOi|zdWI/);
});

it('scrubs what a hostile server said in a time that follows its length', () => {
  const { logger } = captured();
  const timeOf = (words: string) => {
    const started = process.cpuUsage().user;
    logger.warn({ err: new Error(words) }, 'failed');
    return (process.cpuUsage().user - started) / 1_000;
  };
  for (const unit of ['eyJ-', 'eyJa.', 'eyJ.eyJ', '://a:', 'Bearer ', 'sk-', 'a.b-']) {
    timeOf(unit.repeat(1_000));
    expect(timeOf(unit.repeat(64_000 / unit.length)), unit).toBeLessThan(200);
  }
});

it('survives causes in a circle, and shows what an aggregate holds', () => {
  const { logger, last } = captured();
  const error = new AggregateError([new Error('first address')], '');
  error.cause = error;
  logger.error(error);
  expect(last().err.errors[0].message).toBe('first address');
});

it('prints nothing below its level', () => {
  const { logger, lines } = captured();
  logger.debug('not this');
  expect(lines).toEqual([]);
});
