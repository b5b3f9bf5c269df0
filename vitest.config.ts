import { defineConfig } from 'vitest/config';
import { SlowestFirst } from './test/kit/slowest-first.ts';

/** Pure units: no database, no server, no process of their own. They run as threads that share what is imported. */
const units = [
  'test/{architecture,coverage,dead-schema,docs,migrating,operations-page,proofs,schema}.test.ts',
  'test/{contracts,engine,kernel,mutants}/**/*.test.ts',
  'test/graph/{answer-shares,charged-fields,cost,ids,mask-errors,paging,selection,source}.test.ts',
  'test/app/{config,page-script,secret,welcome}.test.ts',
  'test/clients/maps.test.ts',
  'test/app/ops/meters.test.ts',
  'test/app/edge/{accept,client-address,connections,crowd,hosts,origins}.test.ts',
  'test/crash/{invariants,link,schedule}.test.ts',
  'test/events/{appender,codec,compaction.property,compactor,cursor,frame,hub,pace,tail}.test.ts',
  'test/features/*/{account,display-name,errors,input,models,pricing,response-format,roles,rules,stream,title-prompt,turn-sink}.test.ts',
  'test/platform/{db-errors,logger,statement-names,tokens}.test.ts',
  'test/providers/registry.test.ts',
  'test/providers/call/plausible-usage.test.ts',
  'test/providers/openai/{from-stream,to-error,to-request,usage}.test.ts',
  'test/providers/scripted/script.test.ts',
  'test/scripts/breaking-changes.test.ts',
];
/** These change what belongs to the whole process: the tracer, the environment. */
const alone = ['test/app/{otel,ops/tracing}.test.ts'];
/**
 * These count what the whole process does, statements and memory, so that no world may live in it that is not theirs.
 */
const counted = [
  'test/events/{append-cost,log,redis-bus}.test.ts',
  'test/features/worker/backlog.test.ts',
  'test/features/messages/stored-lengths.test.ts',
  'test/flows/{claim-cost,deep-pages,queue-clearing,statements}.test.ts',
  'test/graph/window.test.ts',
  'test/hostile/{generated,waits}.test.ts',
];
const flows = 'test/**/*.test.ts';

const project = (name: string, test: object) => ({ extends: true as const, test: { name, ...test } });

export default defineConfig({
  // As Node resolves it for the program itself. Vite would take the package's other build, and then nothing is an
  // instance of anything.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Tests wait more than they compute, and the machines that run them are small.
    maxWorkers: 3,
    // Such a machine stands still for a moment now and then, and what is measured or leased in that moment is red. A
    // fault is red twice.
    retry: Number(process.env.TEST_RETRIES ?? (process.env.CI ? 1 : 0)),
    globalSetup: 'test/kit/global-setup.ts',
    sequence: { sequencer: SlowestFirst },
    projects: [
      project('alone', { include: alone, pool: 'forks' }),
      // One process for many files: it imports the product once.
      project('flows', { include: [flows], exclude: [...units, ...alone, ...counted], pool: 'forks', isolate: false }),
      project('counted', { include: counted, pool: 'forks', isolate: false }),
      project('units', { include: units, pool: 'threads', isolate: false }),
    ],
  },
});
