import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseDirectives } from '../../src/providers/scripted/script.ts';
import { createRandom } from './chaos/random.ts';
import { actionMs, faultNames, scheduleOf } from './chaos/schedule.ts';

const seed = fc.integer({ min: 0, max: 2 ** 32 - 1 });

it('is the same for the same seed, and another for another', () => {
  fc.assert(
    fc.property(seed, (value) => {
      expect(scheduleOf(value)).toEqual(scheduleOf(value));
      expect(scheduleOf(value)).not.toEqual(scheduleOf((value + 1) % 2 ** 32));
    }),
  );
});

it('begins all that it does in its time, and gives each turn a key of its own', () => {
  fc.assert(
    fc.property(seed, (value) => {
      const { clients, faults } = scheduleOf(value);
      const turns = clients.flatMap((client) => client.turns);
      for (const { at } of [...turns, ...faults]) expect(at >= 0 && at <= actionMs).toBe(true);
      expect(new Set(turns.map(({ key }) => key)).size).toBe(turns.length);
      expect(faults.length).toBeGreaterThan(0);
      const services = faults.flatMap(({ name }) => /^(redis|postgres|model)-/.exec(name)?.[1] ?? []);
      expect(new Set(services).size).toBe(services.length);
      for (const client of clients) expect(client.watchers.length).toBeGreaterThan(0);
    }),
  );
});

it('comes to every fault, every transport, every way to lie, stops and parallel sends within a hundred seeds', () => {
  const schedules = Array.from({ length: 100 }, (_, at) => scheduleOf(at));
  const turns = schedules.flatMap(({ clients }) => clients.flatMap((client) => client.turns));
  const seen = <T>(values: T[]): T[] => [...new Set(values)].sort();
  expect(seen(schedules.flatMap(({ faults }) => faults.map(({ name }) => name)))).toEqual([...faultNames].sort());
  expect(
    seen(
      schedules.flatMap(({ clients }) => clients.flatMap(({ watchers }) => watchers.map(({ transport }) => transport))),
    ),
  ).toEqual(['poll', 'sse', 'ws']);
  expect(seen(turns.map(({ parallel }) => parallel))).toEqual([1, 2, 3, 5]);
  expect(seen(turns.map(({ behaviour }) => behaviour))).toEqual(['honest', 'lie', 'passing-fault']);
  expect(turns.some(({ stopAfter }) => stopAfter !== null)).toBe(true);
  const tools = turns.flatMap((turn) => turn.tools ?? []);
  expect(tools.length / turns.length).toBeGreaterThan(0.3);
  expect(seen(tools.flatMap(({ rounds }) => rounds.flatMap(({ calls }) => calls.map(({ tool }) => tool))))).toEqual([
    ...['book_appointment', 'get_weather', 'pay', 'send_letter'],
  ]);
  expect(seen(tools.map(({ choices }) => choices.length))).toEqual([0, 1, 2]);
  expect(seen(tools.flatMap(({ choices }) => choices))).toEqual(['approve', 'deny', 'edit']);
  expect(seen(tools.flatMap(({ rounds }) => rounds.map(({ calls }) => calls.length)))).toEqual([1, 2]);
  expect(seen(tools.map(({ rounds }) => rounds.length))).toEqual([1, 2]);
  for (const lie of [
    'no-finish',
    'no-finish done',
    'empty',
    'html',
    'garbage',
    'cut 4',
    'error 5',
    'stall 6',
    'stall headers',
  ])
    expect(
      turns.some(({ text }) => text.includes(`[[${lie}]]`)),
      lie,
    ).toBe(true);
});

it('tells the model of each round what its plan says, and asks somebody where a fault needs that', () => {
  fc.assert(
    fc.property(seed, (value) => {
      const turns = scheduleOf(value, ['kill-waiting']).clients.flatMap((client) => client.turns);
      for (const { text, tools } of turns) {
        const told = text
          .split('[[then]]')
          .map((round) => parseDirectives(round).flatMap((step) => (step.do === 'call' ? [step.name] : [])));
        expect(told).toEqual([...(tools?.rounds ?? []).map(({ calls }) => calls.map(({ tool }) => tool)), []]);
        if (tools) expect(tools.choices.length).toBeGreaterThan(0);
      }
    }),
  );
});

it('draws from its faults alone where some are asked for', () => {
  expect(scheduleOf(7, ['kill-delta']).faults.map(({ name }) => name)).toEqual(['kill-delta']);
});

it('draws evenly', () => {
  const random = createRandom(42);
  const counts = [0, 0, 0, 0, 0];
  for (let draw = 0; draw < 10_000; draw++) counts[random.whole(0, 4)]! += 1;
  for (const count of counts) expect(Math.abs(count - 2_000)).toBeLessThan(200);
  expect(random.some([1, 2, 3], 3).sort()).toEqual([1, 2, 3]);
});
