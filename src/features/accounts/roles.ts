import type { Role } from '../../contracts/viewer.ts';

/** What a viewer may be allowed to do beyond reading their own things. */
export const viewerActions = ['USE_AI', 'EXECUTE_TOOLS', 'MANAGE_CONFIGURATIONS', 'MONITOR', 'MANAGE_USERS'] as const;
export type ViewerAction = (typeof viewerActions)[number];

const permitted: Record<Role, readonly ViewerAction[]> = {
  ANONYMOUS: ['USE_AI'],
  USER: ['USE_AI', 'EXECUTE_TOOLS'],
  OPERATOR: ['USE_AI', 'EXECUTE_TOOLS', 'MONITOR', 'MANAGE_CONFIGURATIONS'],
  ADMIN: viewerActions,
};

/** Whether any of the roles permits the action. */
export const may = (roles: readonly Role[], action: ViewerAction): boolean =>
  roles.some((role) => permitted[role].includes(action));
