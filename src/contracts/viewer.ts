export type Role = 'ANONYMOUS' | 'USER' | 'OPERATOR' | 'ADMIN';

/** Who asks: read from a verified token, never from an argument. */
export type Viewer = {
  userId: string;
  roles: readonly Role[];
  /** When the token stops being good; streams end then. */
  expiresAt: Date;
};

/** Whether this is somebody who signed in nowhere: anybody may become one. */
export const isGuest = ({ roles }: Pick<Viewer, 'roles'>): boolean => roles.every((role) => role === 'ANONYMOUS');
