import { describe, expect, it } from 'vitest';
import { createFrameMeter, hubWatch, meteredBus } from '../../../src/app/ops/meters.ts';
import { createHub, createLocalBus } from '../../../src/events/index.ts';
import { createMetrics } from '../../../src/platform/telemetry/metrics.ts';
import { parseExposition } from '../../kit/prometheus.ts';
import { until } from '../../kit/until.ts';

const told = async (metrics: ReturnType<typeof createMetrics>) => parseExposition(await metrics.text());
const batch = (from: number, to: number) => ({ conversationId: 'c', from, to, events: null });

describe('the lag of the log', () => {
  const silent = { onBatch: () => {}, onHead: () => {} };

  it('is what a poll found and no message had brought', async () => {
    const metrics = createMetrics({ redis: true });
    const bus = createLocalBus();
    let head = 5; // where the conversation stands: nothing was missed
    const log = { heads: async () => new Map([['c', { head, epoch: 1 }]]) };
    const hub = createHub(log, bus, { pollMs: 1, onFault: () => {}, watch: hubWatch(metrics) });
    const heard: number[] = [];
    await hub.listen('c', { onBatch: ({ to }) => heard.push(to), onHead: (at) => heard.push(at) });
    await until(() => heard.length === 1);
    bus.publish(batch(5, 8));
    head = 12;
    await until(() => heard.length === 3);
    expect(heard).toEqual([5, 8, 12]);
    hub.close();
    const { value } = await told(metrics);
    expect(value('colloquy_log_lag_events_count')).toBe(1);
    expect(value('colloquy_log_lag_events_sum')).toBe(4);
  });

  it('is of a subscription that is counted once, however often it leaves', async () => {
    const metrics = createMetrics({ redis: true });
    const log = { heads: async () => new Map() };
    const hub = createHub(log, createLocalBus(), { pollMs: 60_000, onFault: () => {}, watch: hubWatch(metrics) });
    const [leave] = [await hub.listen('c', silent), await hub.listen('d', { ...silent })];
    expect((await told(metrics)).value('colloquy_subscriptions')).toBe(2);
    leave();
    leave();
    expect((await told(metrics)).value('colloquy_subscriptions')).toBe(1);
    hub.close();
  });
});

describe('the delivery of a frame', () => {
  const seen = (at: number, replayed = false) => ({ replayed, events: [{ at: new Date(at) }] });

  it('is measured by the clock of the database, by the answer that was the least on its way', async () => {
    const metrics = createMetrics({ redis: false });
    const meter = createFrameMeter(metrics);
    const ahead = 3_600_000;
    meter.setClock(new Date(Date.now() + ahead), Date.now(), Date.now());
    meter.setClock(new Date(Date.now()), Date.now() - 5_000, Date.now() + 5_000); // too long on its way to be believed
    meter.onFrame(seen(0, true), false); // what it catches up with
    meter.onFrame(seen(Date.now() + ahead - 2_000), true);
    const { value } = await told(metrics);
    expect(value('colloquy_delivery_duration_seconds_count')).toBe(1);
    expect(value('colloquy_delivery_duration_seconds_sum')).toBeGreaterThanOrEqual(1.9);
    expect(value('colloquy_delivery_duration_seconds_sum')).toBeLessThan(60);
  });

  it('counts a poll as delivery, once a reader has caught up', async () => {
    const metrics = createMetrics({ redis: false });
    const meter = createFrameMeter(metrics);
    meter.onFrame(seen(0, true), false);
    meter.onFrame(seen(0, true), false);
    meter.onFrame(seen(Date.now(), true), true);
    meter.onFrame(seen(0, true), false);
    const { value } = await told(metrics);
    expect(value('colloquy_delivery_duration_seconds_count')).toBe(1);
    expect(value('colloquy_frames_total', { source: 'log' })).toBe(4);
  });
});

it('a turn is counted by the process that committed it', async () => {
  const metrics = createMetrics({ redis: false });
  const bus = meteredBus(createLocalBus(), metrics);
  const got: unknown[] = [];
  await bus.listen('c', (each) => got.push(each));
  const totals = { inputTokens: 0, outputTokens: 0, totalTokens: 0, costUsd: '0', requests: 0, unpricedRequests: 0 };
  const bodies = [
    { type: 'turn-queued', turnId: 't', position: 0 },
    { type: 'turn-recovering', turnId: 't', attempt: 2, reason: 'lost' },
    { type: 'turn-finished', turnId: 't', status: 'FAILED', finishReason: 'ERROR', totals, error: null },
  ] as const;
  bus.publish({
    conversationId: 'c',
    from: 0,
    to: 3,
    events: bodies.map((body, at) => ({ seq: at + 1, at: new Date(), turnId: 't', body })),
  });
  bus.publish(batch(3, 4));
  expect(got).toHaveLength(2);
  const { value } = await told(metrics);
  expect(value('colloquy_turns_admitted_total')).toBe(1);
  expect(value('colloquy_turns_recovered_total')).toBe(1);
  expect(value('colloquy_turns_finished_total', { status: 'FAILED', reason: 'ERROR' })).toBe(1);
});
