import { createRandom, type Random } from './random.ts';
import { roundDirectives, type ToolPlan, type ToolWish, toolPlanOf } from './tool-plans.ts';

/** What is done to the product in a run, by name; `faults.ts` says how. */
export const faultNames = [
  'kill-admitted',
  'kill-claimed',
  'kill-request-sent',
  'kill-on-the-wire',
  'kill-first-delta',
  'kill-delta',
  'kill-calls-stored',
  'kill-tool-started',
  'kill-tool-done',
  'kill-tool-stored',
  'kill-waiting',
  'kill-waiting-workers',
  'kill-finishing',
  'kill-usage-write',
  'kill-settled',
  'kill-worker',
  'kill-api',
  'freeze-worker',
  'freeze-at-finishing',
  'freeze-at-calls-stored',
  'freeze-at-tool-done',
  'freeze-api',
  'rolling-restart',
  'clocks-apart',
  'redis-killed',
  'redis-frozen',
  'redis-restarted-empty',
  'redis-out-of-memory',
  'redis-pubsub-killed',
  'redis-slow',
  'redis-blackhole',
  'redis-reset',
  'redis-byte-limit',
  'postgres-crash',
  'postgres-blackhole',
  'postgres-slow',
  'postgres-reset',
  'postgres-byte-limit',
  'postgres-pool-exhausted',
  'postgres-connections-exhausted',
  'model-slow',
  'model-blackhole',
  'model-reset',
  'model-byte-limit',
] as const;
export type FaultName = (typeof faultNames)[number];

/** One fault of a run. What a fault does not need of it, it does not read. */
export type FaultPlan = {
  name: FaultName;
  /** Milliseconds after the start of the run. */
  at: number;
  forMs: number;
  /** Which one of two processes of a role; which two of four clocks. */
  which: number;
  /** How many passings of a point are let through. */
  skip: number;
};

export type Behaviour = 'honest' | 'passing-fault' | 'lie';

export type TurnPlan = {
  at: number;
  key: string;
  behaviour: Behaviour;
  /** The message, with what the model is told to do. */
  text: string;
  tokens: number;
  /** What it does with tools; null: it has none. */
  tools: ToolPlan | null;
  /** So many sends of one key at the same time. */
  parallel: number;
  /** When its client loses patience with the first send and sends again with the same key; null: never. */
  cutSendAfter: number | null;
  /** When it is stopped, after it was admitted; null: never. */
  stopAfter: number | null;
};

export type WatcherPlan = { transport: 'ws' | 'sse' | 'poll'; api: 0 | 1; coalesceMs: number; cuts: number[] };
export type ClientPlan = { user: string; api: 0 | 1; turns: TurnPlan[]; watchers: WatcherPlan[] };
export type Schedule = { seed: number; clients: ClientPlan[]; faults: FaultPlan[] };

/** Every way in which the scripted model lies about its answer: none of these may end as an answer that is complete. */
const lies = [
  'no-finish',
  'no-finish done',
  'empty',
  'html',
  'garbage',
  'cut 4',
  'cut 12',
  'error 5',
  'stall 6',
  'stall headers',
  'fail 400',
];
/** What a second try mends. */
const passing = ['fail 500 times 1', 'fail 429 retry-after 0 times 1', 'fail 503 times 2'];

/** Within this time everything is begun that a run does. */
export const actionMs = 4_000;

/**
 * The schedule of a seed: the same for ever, and nothing but the seed (and the faults that are asked for) goes into it.
 */
export function scheduleOf(seed: number, only: readonly FaultName[] = faultNames): Schedule {
  const random = createRandom(seed);
  const faults = compatible(random.some(only, random.pick([1, 1, 1, 2, 2, 3]))).map((name) => faultOf(random, name));
  const wish = wishOf(faults);
  const clients = Array.from({ length: random.whole(3, 4) }, (_, index) => clientOf(random, seed, index, wish));
  return { seed, clients, faults };
}

/** One service is harmed in one way at a time: who has killed it cannot fill its memory. */
const compatible = (names: FaultName[]): FaultName[] => {
  const serviceOf = (name: FaultName) => /^(redis|postgres|model)-/.exec(name)?.[1] ?? name;
  return names.filter((name, at) => names.findIndex((other) => serviceOf(other) === serviceOf(name)) === at);
};

/** A fault that strikes at a tool needs turns that come by there. */
const ofTools = (name: FaultName): boolean => /calls-stored|tool|waiting/.test(name);
const wishOf = (faults: readonly FaultPlan[]): ToolWish => ({
  share: faults.some(({ name }) => ofTools(name)) ? 0.75 : 1 / 3,
  asks: faults.some(({ name }) => name.includes('waiting')),
});

const faultOf = (random: Random, name: FaultName): FaultPlan => ({
  name,
  at: random.whole(200, 2_500),
  forMs: name === 'postgres-blackhole' ? 5_000 : random.whole(800, 4_000),
  which: random.whole(0, 1),
  skip: name === 'kill-delta' ? random.whole(1, 15) : ofTools(name) ? random.pick([0, 0, 1]) : random.whole(0, 1),
});

function clientOf(random: Random, seed: number, index: number, wish: ToolWish): ClientPlan {
  const turns = Array.from({ length: random.whole(1, 3) }, (_, turn) =>
    turnOf(random, `${seed}-${index}-${turn}`, wish),
  );
  const watchers = Array.from({ length: random.whole(1, 2) }, () => watcherOf(random));
  return { user: `user-${random.whole(1, 3)}`, api: random.pick([0, 1]), turns, watchers };
}

function turnOf(random: Random, key: string, wish: ToolWish): TurnPlan {
  const behaviour = random.pick<Behaviour>(['honest', 'honest', 'honest', 'honest', 'passing-fault', 'lie']);
  const tokens = random.whole(15, 90);
  const tools = random.chance(wish.share) ? toolPlanOf(random, key, wish) : null;
  const told = behaviour === 'lie' ? random.pick(lies) : behaviour === 'passing-fault' ? random.pick(passing) : null;
  const rounds = [...(tools ? roundDirectives(tools) : []), [`tokens ${tokens}`]];
  const speed = `speed ${random.whole(20, 80)}`;
  for (const round of rounds) round.push(speed);
  // Any answer of the model may be the one that goes wrong, also one that calls.
  if (told) random.pick(rounds).push(told);
  return {
    at: random.whole(0, actionMs),
    key,
    behaviour,
    text: `Question ${key} ${rounds.map((round) => round.map((directive) => `[[${directive}]]`).join(' ')).join(' [[then]] ')}`,
    tokens,
    tools,
    parallel: random.pick([1, 1, 2, 3, 5]),
    cutSendAfter: random.chance(0.3) ? random.whole(1, 60) : null,
    stopAfter: random.chance(0.2) ? random.whole(50, 1_500) : null,
  };
}

function watcherOf(random: Random): WatcherPlan {
  const cuts = Array.from({ length: random.whole(0, 3) }, () => random.whole(100, actionMs + 3_000)).sort(
    (a, b) => a - b,
  );
  return {
    transport: random.pick(['ws', 'ws', 'sse', 'poll']),
    api: random.pick([0, 1]),
    coalesceMs: random.pick([0, 30, 200]),
    cuts,
  };
}
