import { describe, expect, it } from 'vitest';
import { createHostRule } from '../../../src/app/edge/hosts.ts';
import { createOriginRule } from '../../../src/app/edge/origins.ts';

type Setting = { boundTo?: string; corsOrigins?: string[]; loopbackOrigins?: boolean };

function ruleOf({ boundTo = '127.0.0.1', corsOrigins = [], loopbackOrigins = true }: Setting = {}) {
  const lines: unknown[] = [];
  const logger = { warn: (facts: unknown) => void lines.push(facts) };
  const hosts = createHostRule(boundTo, { publicUrl: null, allowedHosts: [] });
  return { rule: createOriginRule({ corsOrigins, loopbackOrigins }, hosts, logger as never), lines };
}

describe('a page of this machine', () => {
  const pages = [
    'http://localhost:5173',
    'http://127.0.0.1:3000',
    'http://[::1]:8080',
    'https://app.localhost',
    'http://localhost',
  ];

  it.each(pages)('may call a server under development that only this machine reaches: %s', (origin) => {
    expect(ruleOf().rule.allows(origin, '127.0.0.1:4000')).toBe(true);
  });

  it.each(pages)('may not call one in production, nor one that the network reaches: %s', (origin) => {
    expect(ruleOf({ loopbackOrigins: false }).rule.allows(origin, '127.0.0.1:4000')).toBe(false);
    expect(ruleOf({ boundTo: '0.0.0.0' }).rule.allows(origin, 'chat.example.com')).toBe(false);
  });

  it.each([
    'null',
    'file://',
    'ftp://localhost',
    'http://localhost.evil.example',
    'http://localhost:5173/path',
    'http://user@localhost:5173',
    'http://127.0.0.1.evil.example',
    'http://evil.example#localhost',
    'https://evil.example',
    '',
  ])('is not any that calls itself so: %s', (origin) => {
    expect(ruleOf().rule.allows(origin, '127.0.0.1:4000')).toBe(false);
  });
});

describe('a page that is refused', () => {
  it('is told the variable that allows it, and the log is once', () => {
    const { rule, lines } = ruleOf({ corsOrigins: ['https://app.example.com'] });
    expect(rule.allows('https://app.example.com', '127.0.0.1:4000')).toBe(true);
    for (let time = 0; time < 3; time++)
      expect(rule.refuse('https://other.example.com')).toBe(
        'Pages of https://other.example.com may not call this server. To allow them, add this origin to CORS_ORIGIN.',
      );
    expect(lines).toEqual([{ origin: 'https://other.example.com' }]);
  });

  it('does not fill log or memory, however many origins are made up, and however long', () => {
    const { rule, lines } = ruleOf();
    for (let each = 0; each < 1_000; each++)
      expect(rule.refuse(`https://${each}.example/${'x'.repeat(10_000)}`).length).toBeLessThan(500);
    expect(lines).toHaveLength(100);
    expect(JSON.stringify(lines).length).toBeLessThan(50_000);
  });
});
