import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { extent } from '../kit/extent.ts';
import { hasRedisServer } from '../kit/redis-server.ts';
import { noPostgresServer } from './chaos/postgres-server.ts';
import { type Report, run, warmUp } from './chaos/run.ts';
import { faultNames, scheduleOf } from './chaos/schedule.ts';
import { openStage, type Stage } from './chaos/stage.ts';

/**
 * Some twenty seconds of chaos. The full run has a minute or two of it, one kind of fault after the other, and whatever a fresh seed brings (in CI
 * the same one each time). `npm run chaos` runs longer.
 */
const some = [
  { seed: 1, kind: 'kill-' },
  { seed: 3, kind: 'postgres-' },
];
const all = [
  ...some,
  { seed: 2, kind: 'redis-' },
  { seed: 4, kind: 'model-' },
  { seed: 5, kind: 'kill-tool-' },
  { seed: 6, kind: 'kill-waiting' },
  { seed: process.env.CI ? 210355887 : Math.floor(Math.random() * 1e9), kind: '' },
];

const canRun = hasRedisServer && !noPostgresServer;
if (noPostgresServer) console.warn(`SKIPPED: chaos, because ${noPostgresServer}.`);

const runs = extent(some, all);

describe.runIf(canRun)('every promise is kept', () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await openStage();
    await warmUp(stage);
  }, 180_000);
  afterAll(() => stage?.close());

  for (const { seed, kind } of runs) {
    const replay = `npm run chaos -- --runs 1 --seed ${seed}${kind && ` --fault ${kind}`}`;
    it(`under ${kind ? `faults of the kind ${kind}*` : 'whatever comes'} (again with: ${replay})`, async () => {
      const report = await run(
        stage,
        scheduleOf(
          seed,
          faultNames.filter((name) => name.startsWith(kind)),
        ),
      );
      console.info(sentence(report, replay));
      expect(report.turns).toBeGreaterThan(2);
      expect(report.violations).toEqual([]);
    }, 120_000);
  }
});

const sentence = ({ faults, turns, outcomes, toolCalls, interruptions, ms }: Report, replay: string): string =>
  `${faults.join(' and ')} in ${Math.round(ms / 1_000)} s: ${turns} turns (${JSON.stringify(outcomes)}), calls of tools: ${JSON.stringify(toolCalls)}, ${interruptions} streams cut; again with: ${replay}`;
