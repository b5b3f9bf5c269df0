export type Role = 'ANONYMOUS' | 'USER' | 'OPERATOR' | 'ADMIN';

/** Who asks: read from a verified token, never from an argument. */
export type Viewer = {
  userId: string;
  roles: readonly Role[];
  /** When the token stops being good; streams end then. */
  expiresAt: Date;
};
