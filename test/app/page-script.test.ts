import { expect, it } from 'vitest';
import { pageScript } from '../../src/app/workbench/page-script.ts';

it('the script of the page is a program', () => {
  expect(() => new Function(pageScript)).not.toThrow();
  expect(pageScript.length).toBeGreaterThan(2_000);
});
