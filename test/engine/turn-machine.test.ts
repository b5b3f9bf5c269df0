import { expect, it } from 'vitest';
import { canMove, isTerminal, statesBefore, turnStatuses } from '../../src/engine/turn-machine.ts';

const terminal = ['COMPLETED', 'FAILED', 'CANCELLED', 'SUPERSEDED'] as const;

it('never leaves a terminal state', () => {
  expect(turnStatuses.filter(isTerminal).sort()).toEqual([...terminal].sort());
  for (const from of terminal) expect(turnStatuses.filter((to) => canMove(from, to))).toEqual([]);
});

it('can end every live turn by a stop', () => {
  for (const from of turnStatuses.filter((status) => !isTerminal(status)))
    expect(canMove(from, 'CANCELLED'), from).toBe(true);
});

it('completes or fails only what a worker had', () => {
  expect(canMove('QUEUED', 'COMPLETED')).toBe(false);
  expect(canMove('QUEUED', 'FAILED')).toBe(false);
  expect(statesBefore('COMPLETED')).toEqual(['RUNNING', 'RECOVERING']);
});

it('recovers what ran, also a second time', () => {
  expect(statesBefore('RECOVERING')).toEqual(['RUNNING', 'RECOVERING']);
});

it('leads from the queue to every other state', () => {
  const reached = new Set<string>(['QUEUED']);
  for (let size = 0; size < reached.size; ) {
    size = reached.size;
    for (const from of [...reached]) for (const to of turnStatuses) if (canMove(from as never, to)) reached.add(to);
  }
  expect([...reached].sort()).toEqual([...turnStatuses].sort());
});
