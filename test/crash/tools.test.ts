import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { createWorld, describeSettings, type World } from '../kit/app.ts';
import type { TestClient } from '../kit/client.ts';
import { createJournal, toolsModule } from '../kit/journal.ts';
import { createProcesses, type Processes, type Strike } from '../kit/processes.ts';
import { sha256 } from '../kit/reader.ts';
import { defaultOrFull } from '../kit/run-mode.ts';
import { answerOf, follow, send, turnOf } from '../kit/story.ts';

const leaseMs = 1_500;

type Case = { name: string; directive: string; strike: Strike; status: string; attempts: number; effects: string[] };

const payment = { name: 'pay', directive: '[[call pay {"amount":5}]]' };
const letter = { name: 'send_letter', directive: '[[call send_letter {"topic":"love"}]]' };
const form = { name: 'appointment_form', directive: '[[call appointment_form {"topic":"teeth"}]]' };

/**
 * Beside what the story of an agent says of tools that only read, and of one that is never made again
 * (agent-story.test.ts).
 */
const cases: Case[] = [
  // It was begun, and nobody knows how far it got.
  { ...payment, strike: { at: 'tool-started' }, status: 'SUCCEEDED', attempts: 2, effects: ['paid 5'] },
  // It had its effect, and the result was lost.
  ...defaultOrFull<Case[]>(
    [],
    [{ ...payment, strike: { at: 'tool-done' }, status: 'SUCCEEDED', attempts: 2, effects: ['paid 5', 'paid 5'] }],
  ),
  { ...letter, strike: { at: 'tool-done' }, status: 'OUTCOME_UNKNOWN', attempts: 1, effects: ['sent love'] },
  { ...form, strike: { at: 'tool-done' }, status: 'SUCCEEDED', attempts: 2, effects: ['form teeth', 'form teeth'] },
  // The next answer of the model was under way.
  ...defaultOrFull<Case[]>(
    [],
    [{ ...letter, strike: { at: 'delta', skip: 8 }, status: 'SUCCEEDED', attempts: 1, effects: ['sent love'] }],
  ),
];

describeSettings(
  'a turn whose worker is killed about a call of a tool',
  ({ storage, redis }) => {
    let world: World;
    let processes: Processes;
    let alice: TestClient;
    let rescuer: App | null = null;

    beforeAll(async () => {
      world = await createWorld(storage, {
        redis,
        tokensPerSecond: 200,
        env: { LEASE_MS: String(leaseMs), TOOLS: toolsModule },
      });
      processes = createProcesses();
      alice = await world.client(await world.start({ ROLE: 'api' }));
    });
    afterEach(async () => {
      await rescuer?.close(0);
      rescuer = null;
    });
    afterAll(async () => {
      await processes.close();
      await world.close();
    });

    for (const { name, directive, strike, status, attempts, effects } of cases) {
      it(`is completed by another after kill -9 at "${strike.at}"${strike.skip ? `, ${strike.skip} later` : ''}: ${name} is ${status}`, async () => {
        const worker = await processes.start({ ...world.env, ROLE: 'worker', LOG_LEVEL: 'info' }, strike);
        const journal = createJournal();
        const text = `${directive} [[then]] [[say The end of a story of some words, so that it takes a moment to be told.]]`;
        const sent = await send(alice, text, { conversation: { new: { metadata: journal.metadata } } });
        expect(await worker.exited).toEqual({ code: null, signal: 'SIGKILL' });
        rescuer = await world.start({ ROLE: 'worker' });
        const reader = await follow(alice, { id: sent.conversation.id, after: sent.cursor });
        const turn = await turnOf(alice, sent.turn.id);
        expect(turn).toMatchObject({ status: 'COMPLETED', toolCalls: [{ toolName: name, status, attempts }] });
        expect(journal.effects()).toEqual(effects);
        expect(new Set(journal.lines().map(({ callId }) => callId)).size).toBeLessThanOrEqual(1);
        // What readers have is what is stored, with one result of the one call.
        const { content, contentSha256, parts } = turn.finalMessage!;
        expect(content).toBe('The end of a story of some words, so that it takes a moment to be told.');
        expect(sha256(content!)).toBe(contentSha256);
        expect(reader.text(answerOf(reader)).endsWith(content!)).toBe(true);
        expect(parts.map(({ __typename }) => __typename).filter((part) => part !== 'TextPart')).toEqual([
          ...['ToolCallPart', 'ToolResultPart', ...(name === 'appointment_form' ? ['WidgetPart'] : [])],
        ]);
        expect(
          reader.of('ToolExecutionFinishedEvent').filter(({ toolCall }) => toolCall.id === turn.toolCalls[0]!.id),
        ).toHaveLength(1);
        expect(reader.of('WidgetDisplayedEvent')).toHaveLength(name === 'appointment_form' ? 1 : 0);
        if (status === 'OUTCOME_UNKNOWN') {
          const told = world.model.calls.at(-1)!.messages.at(-1)!.content;
          expect(JSON.parse(told)).toMatchObject({ error: { status: 'OUTCOME_UNKNOWN' } });
        }
      });
    }
  },
  ({ storage, redis }) => storage.name === 'postgres' && redis,
);
