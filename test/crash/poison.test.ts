import { randomUUID } from 'node:crypto';
import { appendFileSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { fromGlobalId } from '../../src/kernel/global-id.ts';
import { createWorld, describeSettings, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { createProcesses, type Process, type Processes } from '../kit/processes.ts';
import { follow, type Sent, send, textSoFar, turnOf } from '../kit/story.ts';
import { until } from '../kit/until.ts';

const deadly = fileURLToPath(new URL('../kit/deadly.mjs', import.meta.url));
/** Starting a process takes a second, or ten where the machine is busy with others. */
const patienceMs = 150_000;

/** A process that does everything, which is started again when it ends. */
function supervise(processes: Processes, env: Record<string, string>) {
  const kept = { deaths: 0, output: '', process: null as Process | null };
  let isOver = false;
  async function keep(): Promise<void> {
    while (!isOver) {
      kept.process = await processes.start(env);
      await kept.process.exited;
      kept.output += kept.process.output();
      if (!isOver) kept.deaths += 1;
    }
  }
  const keeping = keep();
  return Object.assign(kept, {
    async end(): Promise<void> {
      isOver = true;
      kept.process?.kill('SIGTERM');
      await keeping;
    },
  });
}

describeSettings(
  'a turn that ends each process that runs it',
  ({ storage, redis }) => {
    const file = join(tmpdir(), `colloquy-deadly-${randomUUID()}`);
    let world: World;
    let processes: Processes;
    let alice: TestClient;
    let kept: ReturnType<typeof supervise>;

    beforeAll(async () => {
      world = await createWorld(storage, {
        redis,
        tokensPerSecond: 30,
        env: { LEASE_MS: '4000', TURNS_PER_USER: '30' },
      });
      processes = createProcesses();
      alice = await world.client(await world.start({ ROLE: 'api' }));
    });
    beforeEach(() => {
      kept = supervise(processes, { ...world.env, ROLE: 'all', TOOLS: deadly, DEADLY_TURNS: file, LOG_LEVEL: 'info' });
    });
    afterEach(() => kept.end());
    afterAll(async () => {
      await processes.close();
      await world.close();
    });

    const keyOf = ({ turn }: Sent): string => fromGlobalId(turn.id)!.id;
    const pidsOf = (sent: Sent): number[] =>
      readFileSync(`${file}.log`, 'utf8')
        .split('\n')
        .flatMap((line) => (line.includes(keyOf(sent)) ? [(JSON.parse(line) as { pid: number }).pid] : []));

    async function sendDeadly(times: number): Promise<Sent> {
      const sent = await send(alice, '[[pause 1000]] [[say I am alive.]]');
      appendFileSync(file, `${JSON.stringify({ turnId: keyOf(sent), times })}\n`);
      return sent;
    }
    const isTerminal = async ({ turn }: Sent) => (await turnOf(alice, turn.id)).isTerminal;

    it(
      'takes others with it twice; then it runs where it ends nobody else, is failed when it has ended that twice, and they go on',
      async () => {
        await until(() => kept.process, 'the process', patienceMs);
        const innocent = await Promise.all(
          Array.from({ length: 6 }, (_, n) => send(alice, `Innocent ${n} [[tokens 200]]`)),
        );
        const speaks = ({ conversation, cursor }: Sent) =>
          follow(alice, { id: conversation.id, after: cursor }, (reader) => textSoFar(reader) !== '');
        await Promise.all(innocent.map(speaks));
        const poison = await sendDeadly(Number.MAX_SAFE_INTEGER);
        await until(() => isTerminal(poison), 'the end of it', patienceMs);
        const turn = await turnOf(alice, poison.turn.id);
        expect(turn).toMatchObject({ status: 'FAILED', error: { code: 'INTERNAL' } });
        expect(turn.error!.message).toMatch(
          /^The answer was given up: 4 processes stopped .* the last 2 of them with nothing else to do/,
        );
        expect(turn.attempts.map(({ outcome }) => outcome)).toEqual([
          'CRASHED',
          'CRASHED',
          'CRASHED',
          'CRASHED',
          'PROVIDER_ERROR',
        ]);
        expect(new Set(pidsOf(poison)).size).toBe(4);
        for (const sent of innocent) await until(() => isTerminal(sent), 'the end of an innocent one', patienceMs);
        for (const sent of innocent) expect((await turnOf(alice, sent.turn.id)).status).toBe('COMPLETED');
        expect(kept.deaths).toBe(2);
        expect((await fetch(`${kept.process!.url}/healthz`)).status).toBe(200);
      },
      2 * patienceMs,
    );

    it(
      'is completed where it ends one process of its own, and then no more',
      async () => {
        const sent = await sendDeadly(3);
        await until(() => isTerminal(sent), 'the end of it', patienceMs);
        expect(await turnOf(alice, sent.turn.id)).toMatchObject({
          status: 'COMPLETED',
          finalMessage: { content: 'I am alive.' },
        });
        expect([kept.deaths, pidsOf(sent).length]).toEqual([2, 3]);
      },
      2 * patienceMs,
    );
  },
  ({ storage, redis }) => storage.name === 'postgres' && redis,
);
