import { describe, expect, it } from 'vitest';
import type { EventBody } from '../../src/contracts/turn-event.ts';
import { createAppender, FencedError, type Writer } from '../../src/events/appender.ts';
import type { Batch } from '../../src/events/index.ts';
import { breathe, type Deferred, defer } from '../../src/kernel/async.ts';

type Slot = { conversation: string; turn: string; fence: number; batch: number; bodies: EventBody[] };
type Head = { conversationId: string; head: number; at: Date };

const writer = (conversationId: string, fence = 1): Writer => ({
  conversationId,
  turnId: `turn of ${conversationId}`,
  fence,
});
const delta = (offset: number, text: string): EventBody => ({
  type: 'text-delta',
  messageId: 'm',
  partIndex: 0,
  offset,
  text,
  attempt: 1,
});
const fault = (code: string) => Object.assign(new Error(code), { code });

/**
 * A log in memory that keeps the promises of the statement; `before` may hold a statement back or fail it, before or
 * after it took effect.
 */
function createLog(
  before: (slots: Slot[], call: number) => Promise<'lose the answer' | undefined> | undefined = () => undefined,
) {
  const heads = new Map<string, { head: number; batch: number; fence: number; stored: EventBody[] }>();
  const published: Batch[] = [];
  const faults: unknown[] = [];
  const calls: Slot[][] = [];
  const of = (conversation: string) => {
    const log = heads.get(conversation) ?? { head: 0, batch: 0, fence: 1, stored: [] };
    heads.set(conversation, log);
    return log;
  };
  function store(slots: Slot[]): Head[] {
    return slots.flatMap(({ conversation, fence, batch, bodies }) => {
      const log = of(conversation);
      if (log.fence !== fence || log.batch >= batch) return [];
      log.batch = batch;
      log.head += bodies.length;
      log.stored.push(...bodies);
      return [{ conversationId: conversation, head: log.head, at: new Date(0) }];
    });
  }
  async function query(text: string, params: readonly unknown[] = []): Promise<unknown[]> {
    if (text.startsWith('SELECT 1')) {
      const [conversation, , fence, batch] = params as [string, string, number, number];
      return of(conversation).fence === fence && of(conversation).batch >= batch ? [{}] : [];
    }
    const slots = JSON.parse(params[0] as string) as Slot[];
    calls.push(slots);
    const verdict = await before(slots, calls.length);
    const rows = store(slots);
    if (verdict === 'lose the answer') throw fault('ECONNRESET');
    return rows;
  }
  const bus = { publish: (batch: Batch) => void published.push(batch) };
  const append = createAppender({ query } as never, bus as never, (error) => void faults.push(error));
  return { append, of, published, faults, calls };
}

describe('what arrives while a statement is under way', () => {
  it('waits, is joined, and goes with the next one, for all conversations together', async () => {
    const gate: Deferred<undefined> = defer();
    const { append, calls, published } = createLog((_slots, call) => (call === 1 ? gate.promise : undefined));
    const a = writer('a');
    const b = writer('b');
    const first = append(a, [delta(0, 'x')]);
    await breathe();
    const rest = [append(a, [delta(1, 'y')]), append(b, [delta(0, '1')]), append(a, [delta(2, 'z')])];
    await breathe();
    expect(calls).toHaveLength(1);
    gate.resolve(undefined);
    await Promise.all([first, ...rest]);
    expect(calls.map((slots) => slots.map(({ conversation, bodies }) => [conversation, bodies]))).toEqual([
      [['a', [delta(0, 'x')]]],
      [
        ['a', [delta(1, 'yz')]],
        ['b', [delta(0, '1')]],
      ],
    ]);
    expect(published.map(({ conversationId, from, to }) => [conversationId, from, to])).toEqual([
      ['a', 0, 1],
      ['a', 1, 2],
      ['b', 0, 1],
    ]);
  });

  it('goes in one statement where it came in the same turn of the event loop, and none waits for the first', async () => {
    const { append, calls } = createLog();
    await Promise.all(['a', 'b', 'c'].map((name) => append(writer(name), [delta(0, name)])));
    expect(calls.map((slots) => slots.map(({ conversation }) => conversation))).toEqual([['a', 'b', 'c']]);
  });

  it('is not published before it is stored', async () => {
    const gate: Deferred<undefined> = defer();
    const { append, published } = createLog(() => gate.promise);
    const stored = append(writer('a'), [delta(0, 'x')]);
    await breathe();
    expect(published).toEqual([]);
    gate.resolve(undefined);
    await stored;
    expect(published[0]!.events).toEqual([{ seq: 1, at: new Date(0), turnId: 'turn of a', body: delta(0, 'x') }]);
  });

  it('does not change what its writer holds', async () => {
    const gate: Deferred<undefined> = defer();
    const { append } = createLog((_slots, call) => (call === 1 ? gate.promise : undefined));
    const body = delta(1, 'y');
    const a = writer('a');
    const all = [append(a, [delta(0, 'x')]), append(a, [body]), append(a, [delta(2, 'z')])];
    gate.resolve(undefined);
    await Promise.all(all);
    expect(body).toEqual(delta(1, 'y'));
  });
});

describe('a writer that lost its turn', () => {
  it('is told so, stores nothing, and disturbs nobody', async () => {
    const { append, of, published } = createLog();
    of('a').fence = 2;
    const [lost, kept] = await Promise.allSettled([
      append(writer('a'), [delta(0, 'x')]),
      append(writer('b'), [delta(0, '1')]),
    ]);
    expect(lost).toMatchObject({ status: 'rejected', reason: expect.any(FencedError) });
    expect(kept.status).toBe('fulfilled');
    expect(of('a').stored).toEqual([]);
    expect(published.map(({ conversationId }) => conversationId)).toEqual(['b']);
  });

  it('does not mix its events with those of the one that took over', async () => {
    const gate: Deferred<undefined> = defer();
    const { append, of } = createLog((_slots, call) => (call === 1 ? gate.promise : undefined));
    const busy = append(writer('b'), [delta(0, '1')]);
    of('a').fence = 2;
    const old = append(writer('a', 1), [delta(0, 'old')]);
    const next = append(writer('a', 2), [delta(0, 'new')]);
    gate.resolve(undefined);
    await expect(old).rejects.toBeInstanceOf(FencedError);
    await Promise.all([busy, next]);
    expect(of('a').stored).toEqual([delta(0, 'new')]);
  });
});

describe('a database that goes away', () => {
  it('is asked again until it is back, and nothing is stored twice', async () => {
    const { append, of, faults } = createLog(async (_slots, call) => {
      if (call < 3) throw fault('ECONNREFUSED');
      return undefined;
    });
    await append(writer('a'), [delta(0, 'x')]);
    expect(of('a').stored).toEqual([delta(0, 'x')]);
    expect(faults).toHaveLength(2);
  });

  it('may have stored what it did not confirm: the writer hears that it is stored, once', async () => {
    const { append, of, published } = createLog(async (_slots, call) => (call === 1 ? 'lose the answer' : undefined));
    const a = writer('a');
    await append(a, [delta(0, 'x')]);
    await append(a, [delta(1, 'y')]);
    expect(of('a').stored).toEqual([delta(0, 'x'), delta(1, 'y')]);
    expect(published.map(({ from, to }) => [from, to])).toEqual([[1, 2]]);
  });

  it('tells a writer that was fenced meanwhile apart from one whose batch was stored', async () => {
    const { append, of } = createLog(async (_slots, call) => {
      if (call > 1) return undefined;
      of('a').fence = 2;
      throw fault('57P01');
    });
    await expect(append(writer('a'), [delta(0, 'x')])).rejects.toBeInstanceOf(FencedError);
  });
});

describe('data that the database refuses', () => {
  it('fails its own writer and none of those that went with it', async () => {
    const gate: Deferred<undefined> = defer();
    const { append, of } = createLog(async (slots, call) => {
      if (call === 1) return gate.promise;
      if (slots.some(({ conversation }) => conversation === 'bad')) throw fault('22P05');
      return undefined;
    });
    const first = append(writer('first'), [delta(0, '0')]);
    await breathe();
    const together = Promise.allSettled(['a', 'bad', 'b'].map((name) => append(writer(name), [delta(0, name)])));
    gate.resolve(undefined);
    await first;
    const [a, bad, b] = await together;
    expect([a!.status, b!.status]).toEqual(['fulfilled', 'fulfilled']);
    expect(bad).toMatchObject({ status: 'rejected', reason: { code: '22P05' } });
    expect(of('a').stored).toEqual([delta(0, 'a')]);
    expect(of('b').stored).toEqual([delta(0, 'b')]);
  });

  it('keeps out what the same writer sends later, which would leave a hole, and lets other writers go on', async () => {
    const { append, of } = createLog(async (_slots, call) => {
      if (call === 1) throw fault('22P05');
      return undefined;
    });
    const a = writer('a');
    await expect(append(a, [delta(0, 'bad')])).rejects.toMatchObject({ code: '22P05' });
    await expect(append(a, [delta(3, 'after the hole')])).rejects.toMatchObject({ code: '22P05' });
    await append(writer('a'), [delta(0, 'good')]);
    expect(of('a').stored).toEqual([delta(0, 'good')]);
  });
});

describe('two writers of one conversation', () => {
  it('are stored each in its own order, the later one behind the earlier', async () => {
    const gate: Deferred<undefined> = defer();
    const { append, of } = createLog((_slots, call) => (call === 1 ? gate.promise : undefined));
    const other = append(writer('b'), [delta(0, 'busy')]);
    const [old, fresh] = [writer('a'), writer('a', 2)];
    const all = [append(old, [delta(0, 'old')]), append(fresh, [delta(0, 'first')])];
    gate.resolve(undefined);
    await other;
    of('a').fence = 2;
    of('a').batch = 0;
    all.push(append(fresh, [delta(5, 'second')]));
    await Promise.allSettled(all);
    const texts = of('a').stored.map((body) => ('text' in body ? body.text : ''));
    expect(texts.join('')).toBe('oldfirstsecond');
  });
});
