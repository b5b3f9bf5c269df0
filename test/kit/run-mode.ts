/** Whether everything is tried, as before a release (`npm run test:full`), or each promise once (`npm test`). */
export const isFull = Boolean(process.env.TEST_FULL);

/** What the two runs differ in. */
export const defaultOrFull = <T>(byDefault: T, full: T): T => (isFull ? full : byDefault);
