import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Embedded databases take half a gigabyte each, and the machines that run this are small.
    maxWorkers: 2,
    pool: 'forks',
  },
});
