/**
 * Accounts: who asks, and what they may do. Owns the table `user_account`.
 * Promises: a user exists from the first request of a good token, once, however many come together; an ordinary request
 * costs no statement; roles are what the token says, never what the row says; a bad token is one and the same refusal.
 * Signing in is the identity provider's business; only guests get their tokens here.
 */
export { addTokens, findUser, leftJoinUser } from './account-store.ts';
export { createGuestService, type GuestService } from './guest-service.ts';
export { may, viewerActions } from './roles.ts';
export { createViewers, type Viewers } from './viewer.ts';
