import { afterAll, beforeAll, expect, it } from 'vitest';
import type { App } from '../../src/app/build-app.ts';
import { fromGlobalId } from '../../src/kernel/global-id.ts';
import { groupBy } from '../../src/kernel/group.ts';
import type { ScriptedCall } from '../../src/providers/index.ts';
import type { Step } from '../../src/providers/scripted/script.ts';
import { DeleteDocument, GenerateTitleDocument } from '../generated/graphql.ts';
import { createWorld, describeSettings, type World } from '../kit/app.ts';
import {
  type CallPlan,
  callPlans,
  longPlans,
  lyingPlans,
  runPlan,
  stoppedPlans,
  titleSteps,
} from '../kit/call-plans.ts';
import type { TestClient } from '../kit/client.ts';
import { defaultOrFull } from '../kit/run-mode.ts';
import { sql } from '../kit/sql.ts';
import { ask } from '../kit/story.ts';
import { until } from '../kit/until.ts';

const turns = defaultOrFull(150, 1_000);
const atOnce = 24;
/** Turns whose title is being made when the user asks for one and then deletes the conversation. */
const races = defaultOrFull(3, 30);

type Row = {
  conversationId: string;
  kind: string;
  source: string;
  requestId: string | null;
  input: number;
  output: number;
  total: number;
};
type Done = { marker: string; conversationId: string; plan: CallPlan };

describeSettings(
  'the ledger',
  ({ storage, redis }) => {
    let world: World;
    let app: App;
    let client: TestClient;

    beforeAll(async () => {
      const env = {
        TITLES: 'true',
        MODEL_IDLE_TIMEOUT_MS: '1500',
        MODEL_FIRST_TOKEN_TIMEOUT_MS: '1500',
        DATABASE_POOL_SIZE: '12',
      };
      world = await createWorld(storage, { redis, env, tokensPerSecond: 2_000, keepCalls: 100_000 });
      app = await world.start();
      client = await world.client(app);
      world.model.setScript(titleScript);
    });
    afterAll(() => world.close());

    const isAside = ({ messages }: Pick<ScriptedCall, 'messages'>) => messages[0]!.role === 'system';
    const markerIn = (call: Pick<ScriptedCall, 'messages'>) =>
      /About ([0-9a-f-]{36})/.exec(call.messages.map(({ content }) => content).join('\n'))?.[1];
    const raced = new Set<string>();

    /** Titles go wrong too, each kind for some of the conversations. */
    function titleScript(call: Readonly<ScriptedCall>): readonly Step[] | null {
      if (!isAside(call)) return null;
      const marker = markerIn(call) ?? '';
      return raced.has(marker)
        ? [{ do: 'hold' }]
        : titleSteps[Number.parseInt(marker.slice(0, 8), 16) % titleSteps.length]!;
    }

    const about = (marker: string) => world.model.calls.filter((call) => markerIn(call) === marker);
    const rowsNow = () =>
      sql<Row>(
        world,
        `SELECT conversation_id AS "conversationId", kind::text, source::text, request_id AS "requestId", input_tokens AS input, output_tokens AS output,
           total_tokens AS total FROM usage`,
      );

    async function runAll(plans: readonly CallPlan[]): Promise<Done[]> {
      const done: Done[] = [];
      const queue = [...plans];
      const work = async () => {
        for (let plan = queue.shift(); plan; plan = queue.shift()) {
          const { marker, conversationId } = await runPlan(client, plan, { about });
          done.push({ marker, conversationId: fromGlobalId(conversationId)!.id, plan });
        }
      };
      await Promise.all(Array.from({ length: atOnce }, work));
      return done;
    }

    async function race(): Promise<Done> {
      const marker = crypto.randomUUID();
      raced.add(marker);
      const { conversation } = await ask(client, `About ${marker} [[say ok]]`);
      await until(() => about(marker).some((call) => isAside(call) && call.chunksSent > 0), 'the title to be begun');
      const { generateTitle } = await client.request(GenerateTitleDocument, { id: conversation.id });
      expect(generateTitle).toMatchObject({ __typename: 'ConflictError' });
      const { deleteConversation } = await client.request(DeleteDocument, { id: conversation.id });
      expect(deleteConversation.__typename).toBe('DeleteSuccess');
      world.model.release();
      return { marker, conversationId: fromGlobalId(conversation.id)!.id, plan: { says: 'a title that is raced for' } };
    }

    it(`has every call that the model has, and its counts, over ${turns} turns with every fault`, async () => {
      const varied = [...callPlans, ...lyingPlans, ...stoppedPlans];
      const done = await runAll([
        ...longPlans,
        ...Array.from({ length: turns - longPlans.length - races }, (_, at) => varied[at % varied.length]!),
      ]);
      for (let at = 0; at < races; at++) done.push(await race());
      // A title that is tried again is called when its turn is long over.
      const rows = await until(async () => {
        const all = await rowsNow();
        const booked = groupBy(all, (row) => row.conversationId);
        return done.every(({ marker, conversationId }) => about(marker).length === booked.get(conversationId)?.length)
          ? all
          : null;
      }, 'a row for each call of the model');
      expect(rows).toHaveLength(world.model.calls.length);

      const wrong: string[] = [];
      let said = 0;
      for (const { marker, conversationId, plan } of done) {
        const calls = about(marker);
        const mine = rows.filter((row) => row.conversationId === conversationId);
        const refused = calls.filter(({ status }) => status !== null && status >= 400).length;
        const isWrong = (what: string) => wrong.push(`${plan.says.slice(0, 80)}: ${what}: ${JSON.stringify(mine)}`);
        if (mine.length !== calls.length) isWrong(`${calls.length} calls were made`);
        if (mine.filter(({ total }) => total === 0).length !== refused) isWrong(`${refused} were refused`);
        for (const { number, usage } of calls) {
          if (!usage) continue;
          const row = mine.find(({ requestId }) => requestId === `scripted-${number}`);
          const isLie = plan.lies && row?.kind === 'CHAT';
          if (isLie) {
            if (row.source !== 'ESTIMATED' || row.input > 2_000 || row.output > 40_000 || row.input === 0)
              isWrong('the lie was taken');
            continue;
          }
          said += 1;
          if (row?.source !== 'PROVIDER' || row.input !== usage.prompt_tokens || row.output !== usage.completion_tokens)
            isWrong(`the model said ${JSON.stringify(usage)}`);
        }
      }
      expect(wrong).toEqual([]);
      expect(said).toBeGreaterThan(turns / 2);
      const provided = rows.filter(({ source }) => source === 'PROVIDER');
      expect(provided).toHaveLength(said);

      const total = rows.reduce((sum, row) => sum + row.total, 0);
      const [sums] = await sql<{ conversations: string; users: string }>(
        world,
        'SELECT (SELECT sum(total_tokens) FROM conversation)::text AS conversations, (SELECT sum(total_tokens_used) FROM user_account)::text AS users',
      );
      expect(sums).toEqual({ conversations: String(total), users: String(total) });
    }, 600_000);
  },
  ({ storage }) => storage.name === 'postgres',
);
