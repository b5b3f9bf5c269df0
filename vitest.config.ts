import { defineConfig } from 'vitest/config';

export default defineConfig({
  // As Node resolves it for the program itself. Vite would take the package's other build, and then nothing is an instance of anything.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Embedded databases take half a gigabyte each, and the machines that run this are small.
    maxWorkers: 2,
    pool: 'forks',
  },
});
