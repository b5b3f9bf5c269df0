import type { Random } from './random.ts';

/** What a device decides about a call: lets it be made, does not, or lets it be made with another time. */
export type Choice = 'approve' | 'deny' | 'edit';

/** A call that the model is told to make. */
export type CallPlan = { tool: string; arguments: Record<string, string | number> };

/** What a turn does with tools. */
export type ToolPlan = {
  /** What the model says before each of its calls; the calls of one round are made side by side. */
  rounds: { said: string; calls: CallPlan[] }[];
  /** What each device of the user decides, all of them at once; empty where nobody is asked. */
  choices: Choice[];
  /** How long the devices think after one of them has seen the question. */
  decideAfter: number;
};

/** Which turns call tools: so many of them, and whether they are to be such that a person is asked. */
export type ToolWish = { share: number; asks: boolean };

/**
 * The tools of `test/kit/tools.mjs` that are called here; `topic` is the call's own, so that no two calls are alike.
 */
const calls: Record<string, (random: Random, topic: string) => CallPlan> = {
  reading: (_, topic) => ({ tool: 'get_weather', arguments: { location: topic } }),
  payment: (random) => ({ tool: 'pay', arguments: { amount: random.whole(1, 9_999) / 100 } }),
  letter: (_, topic) => ({ tool: 'send_letter', arguments: { topic } }),
  booking: (random, topic) => ({ tool: 'book_appointment', arguments: { topic, time: `${random.whole(10, 17)}:30` } }),
};
const kinds = Object.keys(calls);
const alone = ['reading', 'payment', 'letter', 'letter', 'booking', 'booking', 'side by side'];

/** What a call has done, as the journal of effects tells it. */
export const deedOf = (tool: string, { location, amount, topic, time }: Record<string, unknown>): string =>
  ({
    get_weather: `weather ${location}`,
    pay: `paid ${amount}`,
    send_letter: `sent ${topic}`,
    book_appointment: `booked ${topic} ${time}`,
  })[tool] ?? `no deed of ${tool}`;

/** The other time that a device puts in place. */
export const editedTime = '09:15';

export const isAsked = ({ tool }: CallPlan): boolean => tool === 'book_appointment';

export function toolPlanOf(random: Random, key: string, { asks }: ToolWish): ToolPlan {
  const rounds = Array.from({ length: random.pick([1, 1, 1, 2]) }, (_, round) => {
    const kind = asks && round === 0 ? random.pick(['booking', 'booking', 'side by side']) : random.pick(alone);
    const chosen = kind === 'side by side' ? random.some(kinds, 2) : [kind];
    if (asks && round === 0 && !chosen.includes('booking')) chosen[0] = 'booking';
    const said = random.chance(0.5) ? `Let me see, ${round + 1}.` : '';
    return { said, calls: chosen.map((name, at) => calls[name]!(random, `${key}-${round}-${at}`)) };
  });
  const isAnyAsked = rounds.some((round) => round.calls.some(isAsked));
  const devices = random.pick([1, 2, 2, 2]);
  const choices = Array.from({ length: devices }, () => random.pick<Choice>(['approve', 'approve', 'deny', 'edit']));
  return { rounds, choices: isAnyAsked ? choices : [], decideAfter: random.pick([0, 0, random.whole(50, 2_000)]) };
}

/** What the model is told of each of its rounds, as directives. */
export const roundDirectives = ({ rounds }: ToolPlan): string[][] =>
  rounds.map(({ said, calls: planned }) => [
    ...(said ? [`say ${said}`] : []),
    ...planned.map(({ tool, arguments: given }) => `call ${tool} ${JSON.stringify(given)}`),
  ]);
