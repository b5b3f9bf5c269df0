import type { Clients } from './clients.ts';
import type { Target } from './driver.ts';
import type { Summary } from './loads.ts';
import { cpuOf, cpuOfAll, type Measured, type Memory } from './processes.ts';
import type { Stage } from './stage.ts';
import { percentile } from './stats.ts';

export type Figures = Record<string, number>;
/** What a scenario measures with. */
export type Bench = { stage: Stage; clients: Clients; quick: boolean };
/**
 * What a figure is to reach: in words, and whether it does, given the product's and the relay's. `slowness` is how many
 * times as long the machine takes as the one that goals in milliseconds were set for; 1 holds them as they stand.
 */
export type Goal = { text: string; met(colloquy: number, relay: number, figures: Figures, slowness: number): boolean };
/** One piece of work, done by one target at a time. `figures` names what is reported, in its order. */
export type Scenario = {
  title: string;
  /** How long the piece of work is and whatever else a reader must know. */
  about: string;
  figures: Record<string, string>;
  goals: Record<string, Goal>;
  /** Only the product can do it. */
  alone?: true;
  /**
   * Measured in a process that has done nothing yet: what it took for other work and keeps would hide what this takes.
   */
  fresh?: true;
  run(bench: Bench, target: Target, server: Measured): Promise<Figures>;
};

const none: Goal = { text: '0', met: (colloquy) => colloquy === 0 };
const atMost = (limit: number): Goal => ({
  text: `at most ${limit.toLocaleString('en-US')}`,
  met: (colloquy) => colloquy <= limit,
});
const atMostMs = (limit: number): Goal => ({
  ...atMost(limit),
  met: (colloquy, _relay, _figures, slowness) => colloquy <= limit * slowness,
});
const timesRelay = (factor: number): Goal =>
  factor < 1 || factor === 1.6
    ? { text: `at most ${factor} times the relay's`, met: (colloquy, relay) => colloquy <= factor * relay }
    : { text: `at least ${factor} times the relay's`, met: (colloquy, relay) => colloquy >= factor * relay };
const commitAnd = (ms: number): Goal => ({
  text: `at most one commit and ${ms}`,
  met: (colloquy, _relay, { commit }, slowness) => colloquy <= commit! + ms * slowness,
});
const overRelay = (ms: number): Goal => ({
  text: `at most the relay's and ${ms}`,
  met: (colloquy, relay, _figures, slowness) => colloquy <= relay + ms * slowness,
});

const losses = ({ missing, faults }: Pick<Summary, 'missing' | 'faults'>): Figures => {
  for (const fault of faults) console.error(`  fault: ${fault}`);
  return { lost: Math.abs(missing) + faults.length };
};

/** What a run cost in processor time: of the server, and of PostgreSQL beside it. */
async function costing<T>(
  { pid }: Measured,
  work: () => Promise<T>,
): Promise<{ result: T; cpu: number; databaseCpu: number }> {
  const before = { cpu: cpuOf(pid), databaseCpu: cpuOfAll('postgres') };
  const result = await work();
  return { result, cpu: cpuOf(pid) - before.cpu, databaseCpu: cpuOfAll('postgres') - before.databaseCpu };
}

/**
 * What runs for the first time is compiled, and connections are opened: nobody's figure. The database learns what its
 * tables hold, as autovacuum teaches it within a minute of use.
 */
export async function warmUp({ clients, stage }: Bench, target: Target): Promise<void> {
  await clients.run('streams', { target, streams: 20, tokens: 200, speed: 500 });
  for (let round = 0; round < 10; round++)
    await clients.run('streams', { target, streams: 40, tokens: 20, speed: 500 });
  if (target.name !== 'colloquy') return;
  await stage.database.query('ANALYZE');
  await fetch(`${target.url}/healthz`); // a server that has served a request must not be slower for it
}

const fullSpeed: Scenario = {
  title: 'Full speed: 200 streams',
  about:
    '200 streams at once, each as fast as the model sends it, one reader each. The database’s own processor time is apart.',
  figures: {
    perSecond: 'deltas/s',
    cpu: 'CPU s per million',
    databaseCpu: 'PostgreSQL CPU s per million',
    lost: 'lost',
  },
  goals: { perSecond: timesRelay(2.5), cpu: timesRelay(0.5), lost: none },
  async run({ clients, quick }, target, server) {
    const tokens = quick ? 1_000 : 3_000;
    const { result, cpu, databaseCpu } = await costing(server, () =>
      clients.run('streams', { target, streams: 200, tokens, speed: 0 }),
    );
    const millions = (200 * tokens) / 1e6;
    return { perSecond: result.perSecond, cpu: cpu / millions, databaseCpu: databaseCpu / millions, ...losses(result) };
  },
};

const latency: Scenario = {
  title: 'Latency: 20 streams of 50 tokens a second',
  about:
    'From the moment the model lets a token go to the moment a client has it, for every token; frames as soon as they can (`coalesceMs: 0`). The first tokens are those of 100 streams, 20 at a time.',
  figures: {
    p50: 'p50 ms',
    p99: 'p99 ms',
    firstP50: 'request to first token, p50 ms',
    commit: 'one commit, p50 ms',
    slowCommit: 'one commit in a thousand, ms',
    lost: 'lost',
  },
  goals: { p50: commitAnd(1.5), p99: commitAnd(6), firstP50: overRelay(5), lost: none },
  async run({ clients, stage, quick }, target) {
    const tokens = quick ? 200 : 750;
    const commits = await commitTimes(stage, quick ? 500 : 5_000);
    const twenty = (each: number) =>
      clients.run('streams', { target, streams: 20, tokens: each, speed: 50, coalesceMs: 0 });
    const result = await twenty(tokens);
    const all = [result];
    while (all.length < 5) all.push(await twenty(50));
    const starts = all.flatMap((each) => each.starts);
    const lost = all.reduce((sum, each) => sum + losses(each).lost!, 0);
    return { p50: result.p50, p99: result.p99, firstP50: percentile(starts, 0.5), ...commits, lost };
  },
};

/** How long the database takes to make one row durable, alone, one after another. */
async function commitTimes({ database }: Stage, count: number): Promise<{ commit: number; slowCommit: number }> {
  await database.query('CREATE SCHEMA IF NOT EXISTS bench; CREATE TABLE IF NOT EXISTS bench.commit_probe (n int)');
  const times: number[] = [];
  for (let n = 0; n < count; n++) {
    const at = performance.now();
    await database.query('INSERT INTO bench.commit_probe VALUES ($1)', [n]);
    times.push(performance.now() - at);
  }
  return { commit: percentile(times, 0.5), slowCommit: percentile(times, 0.999) };
}

/** The most streams of 50 tokens a second with which 99 of 100 tokens arrive within 100 ms. */
const capacity: Scenario = {
  title: 'Capacity: streams of 50 tokens a second',
  about:
    'The most streams with which the p99 of a token stays under 100 ms; found by halving, to 25 streams. Streams of twenty seconds, begun within eight: still two and a half times as many beginnings a second as so many streams have when each is followed by another.',
  figures: { streams: 'streams', p99: 'p99 ms there', cpu: 'CPU ms per token there', lost: 'lost' },
  goals: { streams: timesRelay(1), lost: none },
  async run({ clients, quick }, target, server) {
    const tokens = quick ? 200 : 1_000;
    let lost = 0;
    let best: Figures = { streams: 0, p99: Number.NaN, cpu: Number.NaN };
    const holds = async (streams: number): Promise<boolean> => {
      const { result, cpu } = await costing(server, () =>
        clients.run('streams', { target, streams, tokens, speed: 50, within: quick ? 3 : 8 }),
      );
      lost += losses(result).lost!;
      const good = result.p99 <= 100;
      if (good) best = { streams, p99: result.p99, cpu: (cpu * 1_000) / (streams * tokens) };
      return good;
    };
    let low = 0;
    let high = 200;
    while (high <= 3_200 && (await holds(high))) [low, high] = [high, high * 2];
    while (high - low > 25) {
      const middle = Math.round((low + high) / 50) * 25;
      if (await holds(middle)) low = middle;
      else high = middle;
    }
    return { ...best, lost };
  },
};

const fanOut: Scenario = {
  title: 'Fan-out: one stream to 500 readers',
  about: 'One stream as fast as the model sends it, read over 500 sockets.',
  figures: { perSecond: 'deltas/s', cpu: 'CPU s per million', lost: 'lost' },
  goals: { perSecond: timesRelay(1), lost: none },
  async run({ clients, quick }, target, server) {
    const tokens = quick ? 1_000 : 4_000;
    const { result, cpu } = await costing(server, () => clients.run('fanOut', { target, readers: 500, tokens }));
    return { perSecond: result.perSecond, cpu: (cpu * 1e6) / (500 * tokens), ...losses(result) };
  },
};

/**
 * The limit's own memory is known with 2,000 sockets, of a fresh process, and so the goal is. What a process had free
 * hides a part of what it takes, the more the fewer sockets there are: held against the relay is the greater of what
 * was added to resident memory and what is held.
 */
const idle: Scenario = {
  title: 'Memory: idle subscriptions',
  about:
    'Sockets with a subscription each, in a process that has done nothing else, after a collection of garbage: the growth of resident memory, or of what is held (the heap and what hangs on it) where that is more. With 2,000, as the relay’s 11.3 KB were measured, and with 5,000.',
  figures: {
    each2000: 'KB per subscription of 2,000',
    held2000: 'of that held',
    each5000: 'KB per subscription of 5,000',
    held5000: 'of that held, of 5,000',
  },
  goals: { each2000: timesRelay(1.6) },
  fresh: true,
  async run({ clients }, target, server) {
    await clients.run('idleSockets', { target, sockets: 200 }); // what the first ones need once
    await clients.run('idleSockets', { target, sockets: 0 });
    const before = await settled(server);
    /** The same process goes on from the fewer to the more: those of before are let go, and come back. */
    async function growth(sockets: number): Promise<{ each: number; held: number }> {
      await clients.run('idleSockets', { target, sockets });
      const after = await settled(server);
      const kilobytes = (bytes: number) => bytes / sockets / 1_024;
      const held = kilobytes(after.held - before.held);
      return { each: Math.max(held, kilobytes(after.rss - before.rss)), held };
    }
    const [few, many] = [await growth(2_000), await growth(5_000)];
    await clients.run('idleSockets', { target, sockets: 0 });
    return { each2000: few.each, held2000: few.held, each5000: many.each, held5000: many.held };
  },
};

/** What a server holds once it has come to rest. */
async function settled(server: Measured): Promise<Memory> {
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  return server.memory();
}

const durable: Scenario = {
  title: 'Durable turns: 300 of 25 tokens a second',
  about:
    'Every token of 300 turns stored before it is shown, one reader each, for a minute. The relay, which stores nothing, shows what this machine allows.',
  figures: {
    p50: 'p50 ms',
    p99: 'p99 ms',
    megabytes: 'MB resident at the end',
    cpu: 'cores used',
    databaseCpu: 'PostgreSQL cores used',
    lost: 'lost',
  },
  goals: { p50: atMostMs(40), p99: atMostMs(150), megabytes: atMost(400), lost: none },
  async run({ clients, quick }, target, server) {
    const seconds = quick ? 15 : 60;
    const { result, cpu, databaseCpu } = await costing(server, () =>
      clients.run('streams', { target, streams: 300, tokens: 25 * seconds, speed: 25 }),
    );
    const megabytes = (await server.memory()).rss / 1_048_576;
    return {
      p50: result.p50,
      p99: result.p99,
      megabytes,
      cpu: cpu / seconds,
      databaseCpu: databaseCpu / seconds,
      ...losses(result),
    };
  },
};

const replay: Scenario = {
  title: 'Replay of a turn of 5,000 events',
  about: 'A reader that begins at the first of 5,000 stored events of a turn that is still under way.',
  figures: { firstMs: 'first text ms', allMs: 'all ms', rows: 'rows read', frames: 'frames', lost: 'lost' },
  goals: { firstMs: atMostMs(50), allMs: atMostMs(300), lost: none },
  alone: true,
  async run({ clients, stage, quick }, target) {
    const events = quick ? 2_000 : 5_000;
    const result = await clients.run('replay', { target, events });
    const { rows } = await stage.database.query(
      'SELECT count(*)::int AS rows FROM event WHERE conversation_id = (SELECT conversation_id FROM turn ORDER BY created_at DESC LIMIT 1)',
    );
    const { firstMs, allMs, frames, tokens, faults } = result;
    return { firstMs, allMs, rows: rows[0].rows, frames, ...losses({ missing: events - tokens, faults }) };
  },
};

const reconnect: Scenario = {
  title: 'Reconnecting: 1,000 clients at once in mid-turn',
  about: '1,000 readers of 50 running turns lose their sockets in one moment and come back with their cursors.',
  figures: {
    allMs: 'all caught up ms',
    p50Ms: 'half caught up ms',
    statements: 'statements/s more than before, while they come back or in a second',
    lost: 'lost',
  },
  goals: { allMs: atMostMs(5_000), statements: atMost(200), lost: none },
  alone: true,
  async run({ clients, stage, quick }, target) {
    const options = { target, clients: quick ? 300 : 1_000, turns: 50, tokens: 400 };
    const count = async () => {
      const { rows } = await stage.database.query(
        'SELECT (xact_commit + xact_rollback)::float8 AS n FROM pg_stat_database WHERE datname = current_database()',
      );
      return rows[0].n as number;
    };
    const seen: Record<string, { at: number; n: number }> = {};
    const result = await clients.run('reconnect', options, async (phase) => {
      // The database counts a second later.
      if (phase === 'back') await new Promise((resolve) => setTimeout(resolve, 1_200));
      seen[phase] = { at: performance.now(), n: await count() };
    });
    const between = (from: string, to: string) => ({
      n: seen[to]!.n - seen[from]!.n,
      ms: seen[to]!.at - seen[from]!.at,
    });
    // The turns that are under way send theirs all the time.
    const [usual, during] = [between('reading', 'cut'), between('cut', 'back')];
    const more = Math.max(0, during.n - (usual.n / usual.ms) * during.ms);
    return {
      allMs: result.allMs,
      p50Ms: result.p50Ms,
      statements: more / Math.max(1, result.allMs / 1_000),
      ...losses(result),
    };
  },
};

/**
 * What a turn costs in a short conversation and in long ones, one after another in turns, so that all meet the same
 * machine.
 */
const lengths: Scenario = {
  title: 'Turns in conversations of 10, 1,000 and 100,000 messages',
  about:
    'Turns of 50 tokens, one after another, in three conversations by turns; the medians, and how much the longest takes of the shortest.',
  figures: {
    short: '10 messages, ms a turn',
    middle: '1,000 messages, ms a turn',
    long: '100,000 messages, ms a turn',
    ratio: 'longest to shortest, time',
    statementsShort: '10 messages, statements a turn',
    statementsLong: '100,000 messages, statements a turn',
    heldLong: '100,000 messages, KB more held than by 10',
  },
  goals: { ratio: atMost(1.2) },
  alone: true,
  async run({ clients, stage, quick }, target, server) {
    const conversations = await stage.plant('bench', [5, 500, quick ? 5_000 : 50_000]);
    const ms: number[][] = [[], [], []];
    const statements = [0, 0, 0];
    const held = [0, 0, 0];
    const turns = quick ? 5 : 20;
    for (let round = 0; round < 4; round++)
      for (const [index, conversation] of conversations.entries()) {
        const before = await server.memory();
        const result = await clients.run('turnsIn', { target, conversation, turns });
        const after = await server.memory();
        if (round === 0) continue; // what runs for the first time in a conversation is nobody's figure
        ms[index]!.push(...result.ms);
        statements[index]! += (after.statements - before.statements) / turns / 3;
        held[index] = after.held;
      }
    const [short, middle, long] = ms.map((values) => percentile(values, 0.5)) as [number, number, number];
    const [statementsShort, , statementsLong] = statements as [number, number, number];
    return {
      short,
      middle,
      long,
      ratio: long / short,
      statementsShort,
      statementsLong,
      heldLong: (held[2]! - held[0]!) / 1_024,
    };
  },
};

export const scenarios = {
  fullSpeed,
  latency,
  capacity,
  fanOut,
  idle,
  durable,
  replay,
  reconnect,
  lengths,
} satisfies Record<string, Scenario>;
