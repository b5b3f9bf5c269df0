import { parseArgs } from 'node:util';
import { pause } from '../../../src/kernel/async.ts';
import { SendDocument } from '../../generated/graphql.ts';
import { createTestClient } from '../../kit/client.ts';
import { expectType } from '../../kit/story.ts';
import { createRandom } from './random.ts';
import { openStage } from './stage.ts';

/**
 * `npm run build && npx tsx test/crash/chaos/deaths.ts`: kills workers, and nothing but that, while turns run, and says
 * how those ended. A turn that fails is one that paid for the deaths of others. With `--isolated N` every Nth kill is
 * aimed at a process that runs one turn alone, where there is one; those are counted apart, since two of them in one
 * turn rightly fail it.
 */
const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '300' },
    turns: { type: 'string', default: '500' },
    minutes: { type: 'string', default: '10' },
    isolated: { type: 'string', default: '0' },
    seed: { type: 'string', default: '1' },
  },
});
const [most, count, every] = [Number(values.kills), Number(values.turns), Number(values.isolated)];
const random = createRandom(Number(values.seed));
const startedAt = Date.now();
const end = startedAt + Number(values.minutes) * 60_000;
const stage = await openStage({ TURNS_PER_USER: '100' });
const clients = await Promise.all(
  stage.apis.map(async ({ port }) => createTestClient(`http://127.0.0.1:${port}`, await stage.token('alice'))),
);
const query = <Row>(text: string) => stage.postgres.query<Row & Record<string, unknown>>(text);

/** Processes of one turn each that run now: their workers are named `host:pid:…`, and are none of the slots'. */
async function isolatedPids(): Promise<number[]> {
  const rows = await query<{
    worker: string;
  }>(`SELECT a.worker FROM turn_attempt a JOIN turn t ON t.id = a.turn_id AND t.attempt = a.number
    WHERE a.isolated AND a.outcome = 'RUNNING' AND t.finished_at IS NULL AND t.lease_until > now()`);
  return rows.map(({ worker }) => Number(worker.split(':')[1]));
}

const kills = { workers: 0, isolated: 0 };
const killed = (): number => kills.workers + kills.isolated;
const ids: string[] = [];
/** Goes on beyond so many turns until all kills are done: one that strikes a worker without work proves nothing. */
async function sendAll(): Promise<void> {
  while ((ids.length < count || killed() < most) && Date.now() < end) {
    // As many unfinished turns as the workers can carry: they are to be struck in the middle, at any moment.
    const [{ n }] = (await query<{ n: number }>('SELECT count(*)::int AS n FROM turn WHERE finished_at IS NULL')) as [
      { n: number },
    ];
    if (n > 40) {
      await pause(200);
      continue;
    }
    const text = `Turn ${ids.length} [[tokens ${random.whole(20, 200)}]] [[speed ${random.whole(15, 60)}]]`;
    const input = {
      conversation: { new: {} },
      content: { text },
      idempotencyKey: `deaths-${values.seed}-${ids.length}`,
    };
    const { sendMessage } = await clients[ids.length % 2]!.request(SendDocument, { input });
    ids.push(expectType(sendMessage, 'SendMessageSuccess').turn.id);
  }
}

async function killAll(): Promise<void> {
  await pause(2_000);
  while (killed() < most && Date.now() < end) {
    await pause(random.whole(300, 2_000));
    const isAimed = every > 0 && (killed() + 1) % every === 0;
    const pids = isAimed ? await isolatedPids() : [];
    if (pids.length > 0) {
      process.kill(random.pick(pids), 'SIGKILL');
      kills.isolated += 1;
      continue;
    }
    const slot = random.pick(stage.workers);
    if (!slot.process) continue;
    stage.signal(slot, 'SIGKILL');
    kills.workers += 1;
  }
}

await Promise.all([sendAll(), killAll()]);
const isDone = async () => (await query('SELECT 1 FROM turn WHERE finished_at IS NULL LIMIT 1')).length === 0;
for (const patience = Date.now() + 300_000; !(await isDone()) && Date.now() < patience; ) await pause(500);

const outcomes = await query<{ status: string; n: number }>(
  'SELECT status::text, count(*)::int AS n FROM turn GROUP BY 1 ORDER BY 1',
);
const deaths = await query<{ deaths: number; turns: number }>(
  `SELECT deaths::int, count(*)::int AS turns FROM (SELECT count(*) FILTER (WHERE outcome = 'CRASHED') AS deaths FROM turn_attempt GROUP BY turn_id) d GROUP BY 1 ORDER BY 1`,
);
const [alone] = await query<{ n: number }>('SELECT count(DISTINCT turn_id)::int AS n FROM turn_attempt WHERE isolated');
const failed = await query<{ id: string; error: { message: string }; aimed: number }>(
  `SELECT id, error, (SELECT count(*)::int FROM turn_attempt a WHERE a.turn_id = turn.id AND a.isolated AND a.outcome = 'CRASHED') AS aimed FROM turn WHERE status = 'FAILED'`,
);
console.log(
  JSON.stringify({
    kills,
    seconds: Math.round((Date.now() - startedAt) / 1_000),
    turns: ids.length,
    outcomes,
    ranAlone: alone!.n,
  }),
);
console.log('turns by the number of deaths of their workers:', JSON.stringify(deaths));
const innocent = failed.filter(({ aimed }) => aimed === 0);
console.log(`failed: ${failed.length}; of those without a kill aimed at a process of theirs: ${innocent.length}`);
for (const { id, error, aimed } of failed) console.log(id, aimed, error.message);
for (const client of clients) await client.close();
await stage.close();
process.exit(innocent.length > 0 ? 1 : 0);
