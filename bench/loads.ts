import { type ColloquyConnection, connectColloquy } from './colloquy-driver.ts';
import { type Connection, monotonicMs, type Reading, type Target } from './driver.ts';
import { connectRelay } from './relay-driver.ts';
import { percentile } from './stats.ts';

const connect = (target: Target, coalesceMs?: number): Promise<Connection> =>
  target.name === 'relay' ? connectRelay(target) : connectColloquy(target, coalesceMs);

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Sockets in small groups, as a listening backlog takes them. */
async function connectAll<C>(count: number, one: () => Promise<C>): Promise<C[]> {
  const connections: C[] = [];
  while (connections.length < count) {
    const group = Array.from({ length: Math.min(50, count - connections.length) }, one);
    connections.push(...(await Promise.all(group)));
  }
  return connections;
}

/** What readings have in common. `missing` counts tokens that did not come, `faults` whatever else was wrong. */
function summary(readings: readonly Reading[], expected: number) {
  const latencies = readings.flatMap((reading) => reading.latencies);
  const tokens = readings.reduce((sum, reading) => sum + reading.tokens, 0);
  const seconds =
    (Math.max(...readings.map(({ lastAt }) => lastAt)) - Math.min(...readings.map(({ firstAt }) => firstAt))) / 1_000;
  return {
    tokens,
    missing: expected - tokens,
    faults: readings.flatMap(({ faults }) => faults).slice(0, 5),
    perSecond: tokens / seconds,
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
  };
}

export type Summary = ReturnType<typeof summary>;
type Streams = { target: Target; streams: number; tokens: number; speed: number; coalesceMs?: number; within?: number };

/**
 * So many streams, a socket and a reader each, begun within so many seconds that they do not all start at once: at full
 * speed they do.
 */
async function streams({
  target,
  streams: count,
  tokens,
  speed,
  coalesceMs,
  within = 1,
}: Streams): Promise<Summary & { starts: number[] }> {
  const connections = await connectAll(count, () => connect(target, coalesceMs));
  const starts: number[] = [];
  const prompt = `[[stamps ${tokens}]] [[speed ${speed}]]`;
  const spread = speed > 0 ? within * 1_000 : 0;
  const readings = await Promise.all(
    connections.map(async (connection, index) => {
      await pause((index * spread) / count);
      const at = monotonicMs();
      const reading = await connection.run(prompt);
      await reading.ended;
      starts.push(reading.firstAt - at);
      return reading;
    }),
  );
  for (const connection of connections) connection.close();
  return { ...summary(readings, count * tokens), starts };
}

type FanOut = { target: Target; readers: number; tokens: number };

/** One stream, read over many sockets. It begins slowly, so that all have joined before it runs. */
async function fanOut({ target, readers, tokens }: FanOut): Promise<Summary> {
  const [first, ...others] = await connectAll(readers, () => connect(target, 0));
  const run = first!.run(`[[stamps ${tokens}]] [[pause 3000]] [[speed 0]]`);
  // The name of the stream is known once it is admitted.
  while (!first!.stream) await pause(5);
  const readings = await Promise.all([run, ...others.map((connection) => connection.join(first!.stream))]);
  await Promise.all(readings.map(({ ended }) => ended));
  for (const connection of [first!, ...others]) connection.close();
  return summary(readings, readers * tokens);
}

type Idle = { target: Target; sockets: number };
const idle = new Set<Connection>();

/** Sockets with one subscription each, that wait; they are held until the next job of this kind. */
async function idleSockets({ target, sockets }: Idle): Promise<{ sockets: number }> {
  for (const connection of idle) connection.close();
  idle.clear();
  if (sockets === 0) return { sockets };
  // Streams that go on for longer than the measurement lasts, of 100 readers each.
  const [first] = await connectAll(1, () => connect(target));
  idle.add(first!);
  void first!.run('[[stamps 1]] [[pause 600000]]');
  while (!first!.stream) await pause(5);
  for (const connection of await connectAll(sockets, () => connect(target))) {
    idle.add(connection);
    await connection.join(first!.stream);
  }
  return { sockets };
}

type Replay = { target: Target; events: number };

/** Reads a turn of so many events from its beginning while it is still under way, and again after. */
async function replay({ target, events }: Replay) {
  const writer = await connectColloquy(target, 0);
  const { conversation, cursor } = await writer.begin(`[[stamps ${events}]] [[speed 250]] [[stall ${events}]]`);
  const live = writer.read(conversation, { after: cursor });
  while (live.tokens < events) await pause(20);
  const reader = await connectColloquy(target, 0);
  const at = monotonicMs();
  const again = reader.read(conversation, { after: cursor });
  await again.caughtUp;
  const result = {
    firstMs: again.firstAt - at,
    allMs: again.lastAt - at,
    frames: again.frames,
    tokens: again.tokens,
    faults: again.faults,
  };
  writer.close();
  reader.close();
  return { ...result, conversation };
}

type Reconnect = { target: Target; clients: number; turns: number; tokens: number };

/** Many clients lose their sockets at once in mid-turn, and come back with their cursors. */
async function reconnect({ target, clients, turns, tokens }: Reconnect) {
  const writers = await connectAll(turns, () => connectColloquy(target));
  const begun = await Promise.all(writers.map((writer) => writer.begin(`[[stamps ${tokens}]] [[speed 25]]`)));
  const readers = await connectAll(clients, () => connectColloquy(target));
  const before = readers.map((reader, index) =>
    reader.read(begun[index % turns]!.conversation, { after: begun[index % turns]!.cursor }),
  );
  await Promise.all(before.map(({ caughtUp }) => caughtUp));
  process.send!({ phase: 'reading' });
  while (before.some((reading) => reading.tokens < 100)) await pause(20);
  const left = readers.map(({ cursor }) => cursor);
  for (const reader of readers) reader.close();
  process.send!({ phase: 'cut' });
  const at = monotonicMs();
  const after = await Promise.all(
    readers.map(async (_, index) => {
      const reader: ColloquyConnection = await connectColloquy(target);
      const reading = reader.read(begun[index % turns]!.conversation, { after: left[index]! });
      await reading.caughtUp;
      return { reader, reading, ms: monotonicMs() - at };
    }),
  );
  process.send!({ phase: 'back' });
  await Promise.all(after.map(({ reading }) => reading.ended));
  for (const { reader } of after) reader.close();
  for (const writer of writers) writer.close();
  const lost = before.map((reading, index) => tokens - reading.tokens - after[index]!.reading.tokens);
  return {
    allMs: Math.max(...after.map(({ ms }) => ms)),
    p50Ms: percentile(
      after.map(({ ms }) => ms),
      0.5,
    ),
    missing: lost.reduce((sum, value) => sum + Math.abs(value), 0),
    faults: [...before, ...after.map(({ reading }) => reading)].flatMap(({ faults }) => faults).slice(0, 5),
  };
}

type Length = { target: Target; conversation: string; turns: number };

/** Turns one after another in one conversation: what each takes from its request to its end, in milliseconds. */
async function turnsIn({ target, conversation, turns }: Length): Promise<{ ms: number[] }> {
  const connection = await connectColloquy(target, 0);
  const ms: number[] = [];
  for (let turn = 0; turn < turns; turn++) {
    const at = monotonicMs();
    const { cursor } = await connection.begin('[[stamps 50]] [[speed 0]]', conversation);
    await connection.read(conversation, { after: cursor }).ended;
    ms.push(monotonicMs() - at);
  }
  connection.close();
  return { ms };
}

export const loads = { streams, fanOut, idleSockets, replay, reconnect, turnsIn };
