import { described } from '../../graph/described-enum.ts';

export const Role = described('Role', 'What a user is, and so what they may do.', {
  ANONYMOUS: 'A guest with a session of their own.',
  USER: 'A signed-in person.',
  OPERATOR: 'May watch the system and manage its configuration.',
  ADMIN: 'May do everything, also manage users.',
});

export const ViewerAction = described('ViewerAction', 'An action for which a viewer needs permission.', {
  USE_AI: 'Send messages to models.',
  EXECUTE_TOOLS: 'Let tools run.',
  MANAGE_CONFIGURATIONS: 'Change configurations and prompts.',
  MONITOR: 'Watch the whole system.',
  MANAGE_USERS: 'Change users and their roles.',
});
