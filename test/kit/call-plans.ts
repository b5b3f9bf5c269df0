import { randomUUID } from 'node:crypto';
import type { Step } from '../../src/providers/scripted/script.ts';
import type { TestClient } from './client.ts';
import { ask, follow, type Sending, send, textSoFar, tryStop } from './story.ts';
import { until } from './until.ts';

/**
 * What a model does to one turn, and whether that is stopped while the model waits. `lies`: its counts cannot be right.
 */
export type CallPlan = { says: string; stopAt?: 'request' | 'text'; lies?: true; generation?: Sending['generation'] };

const lie = (prompt: string, completion: string, more = ''): CallPlan => ({
  says: `[[tokens 9]] ${more} [[usage {"prompt_tokens": ${prompt}, "completion_tokens": ${completion}}]]`,
  lies: true,
});

const format = { title: 'Point', type: 'object', properties: { x: { type: 'number' } }, required: ['x'] };

/** Every way that the scripted model has to answer, to fail and to count. */
export const callPlans: readonly CallPlan[] = [
  ...[
    '[[tokens 20]]',
    '[[tokens 12]] [[reasoning]]',
    '[[length]]',
    '[[filter]]',
    '[[refuse]]',
    '[[surrogates]]',
    '[[pause 50]] [[say ok]]',
  ],
  ...[
    '[[fail 500 retry-after 0 times 1]] [[say ok]]',
    '[[fail 429 retry-after 0]]',
    '[[fail 401]]',
    '[[fail 400 content_filter]]',
  ],
  ...[
    '[[fail 503 retry-after 0 times 2]] [[tokens 6]] [[cut 3]]',
    '[[fail 400 context_length_exceeded]]',
    '[[window 0]]',
  ],
  ...[
    '[[tokens 9]] [[cut 5]]',
    '[[tokens 9]] [[cut 5]] [[usage first]]',
    '[[cut 0]]',
    '[[cut 0]] [[usage first]]',
    '[[cut headers]]',
  ],
  ...[
    '[[tokens 9]] [[no-finish]]',
    '[[tokens 9]] [[no-finish done]] [[usage first]]',
    '[[tokens 9]] [[garbage]]',
    '[[garbage]] [[usage first]]',
  ],
  ...[
    '[[tokens 9]] [[error 5]]',
    '[[tokens 9]] [[error 5]] [[usage first]]',
    '[[html]]',
    '[[empty]]',
    '[[no-usage]] [[tokens 9]]',
  ],
  ...['[[tokens 9]] [[stall 5]]', '[[tokens 9]] [[stall 5]] [[usage first]]', '[[stall headers]]', '[[stall 0]]'],
  ...['[[tokens 9]] [[usage late 1300]]', '[[tokens 9]] [[usage late 2500]]', '[[tokens 9]] [[usage first]]'],
  ...[
    '[[call nothing {"a":1}]] [[then]] [[say done]]',
    '[[call nothing {}]] [[cut 2]] [[usage first]] [[then]] [[say done]]',
  ],
  '[[tokens 9]] [[usage {"prompt_tokens": 136, "completion_tokens": 46, "total_tokens": 182}]]',
].map((says) => ({ says }));

export const lyingPlans: readonly CallPlan[] = [
  ...[
    lie('1e300', '9'),
    lie('9', '1e300'),
    lie('null', '9'),
    lie('9', 'null'),
    lie('-3', '9'),
    lie('12', '-1'),
    lie('"x"', 'null'),
  ],
  ...[
    lie('9', '900000'),
    lie('4000000000', '9'),
    lie('1e300', '1e300', '[[usage first]]'),
    lie('1e300', '9', '[[cut 5]]'),
  ],
  { says: '[[tokens 9000]] [[speed 0]] [[usage {"prompt_tokens": 20, "completion_tokens": 11}]]', lies: true },
];

export const stoppedPlans: readonly CallPlan[] = [
  { says: '[[stall headers]]', stopAt: 'request' },
  { says: '[[tokens 9]] [[hold]]', stopAt: 'text' },
  { says: '[[tokens 9]] [[hold]] [[usage first]]', stopAt: 'text' },
  {
    says: '[[usage {"prompt_tokens": 136, "completion_tokens": 46}]] [[tokens 9]] [[usage first]] [[hold]]',
    stopAt: 'text',
  },
];

export const longPlans: readonly CallPlan[] = [
  { says: '[[say nonsense]]', generation: { responseFormat: format } },
  { says: `${'[[call n {}]]'.repeat(150)} [[then]] [[say done]]` },
];

/** How the call that makes a title goes wrong, if it does. */
export const titleSteps: readonly (readonly Step[])[] = [
  ...[
    [],
    [],
    [{ do: 'cut', after: 1 } as const],
    [{ do: 'fail', status: 500 } as const],
    [{ do: 'cut', after: 'headers' } as const],
    [{ do: 'html' } as const],
  ],
  ...[
    [{ do: 'cut', after: 1 } as const, { do: 'usage', first: true } as const],
    [{ do: 'usage', lateMs: 1_200 } as const],
    [{ do: 'no-usage' } as const],
  ],
];

/** What the model was asked about this, calls beside turns included. */
type Journal = { about(marker: string): { length: number } };

/** Runs a turn of this plan in a conversation of its own, to its end. Its message holds the marker. */
export async function runPlan(client: TestClient, { says, stopAt, generation }: CallPlan, journal: Journal) {
  const marker = randomUUID();
  const text = `About ${marker} ${says}`;
  if (!stopAt) {
    const { turn, conversation } = await ask(client, text, generation ? { generation } : {});
    return { marker, conversationId: conversation.id, turnId: turn.id };
  }
  const { turn, conversation, cursor } = await send(client, text);
  if (stopAt === 'text')
    await follow(client, { id: conversation.id, after: cursor }, (reader) => textSoFar(reader) !== '');
  else await until(() => journal.about(marker).length > 0, 'the call of the model');
  // Where the machine is slow, the model was waited for long enough, and the turn has failed.
  await tryStop(client, { turnId: turn.id });
  return { marker, conversationId: conversation.id, turnId: turn.id };
}
