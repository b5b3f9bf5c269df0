import { expect, it } from 'vitest';
import type { Role } from '../../../src/contracts/viewer.ts';
import { may, viewerActions } from '../../../src/features/accounts/index.ts';

const all = (roles: Role[]) => viewerActions.filter((action) => may(roles, action));

it('gives each role its actions', () => {
  expect(all(['ANONYMOUS'])).toEqual(['USE_AI']);
  expect(all(['USER'])).toEqual(['USE_AI', 'EXECUTE_TOOLS']);
  expect(all(['OPERATOR'])).toEqual(['USE_AI', 'EXECUTE_TOOLS', 'MANAGE_CONFIGURATIONS', 'MONITOR']);
  expect(all(['ADMIN'])).toEqual(viewerActions);
});

it('adds roles up, and gives nothing to nobody', () => {
  expect(all(['ANONYMOUS', 'USER'])).toEqual(all(['USER']));
  expect(all([])).toEqual([]);
});
