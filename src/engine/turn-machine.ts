import type { TurnStatus } from '../contracts/turn.ts';

/** Every legal move of a turn. RUNNING to RECOVERING is a new worker taking over from one whose lease ran out. */
const next = {
  QUEUED: ['RUNNING', 'CANCELLED', 'SUPERSEDED'],
  RUNNING: ['RECOVERING', 'WAITING_APPROVAL', 'WAITING_CLIENT_TOOL', 'COMPLETED', 'FAILED', 'CANCELLED', 'SUPERSEDED'],
  RECOVERING: [
    'RUNNING',
    'RECOVERING',
    'WAITING_APPROVAL',
    'WAITING_CLIENT_TOOL',
    'COMPLETED',
    'FAILED',
    'CANCELLED',
    'SUPERSEDED',
  ],
  WAITING_APPROVAL: ['RUNNING', 'FAILED', 'CANCELLED', 'SUPERSEDED'],
  WAITING_CLIENT_TOOL: ['RUNNING', 'FAILED', 'CANCELLED', 'SUPERSEDED'],
  COMPLETED: [],
  FAILED: [],
  CANCELLED: [],
  SUPERSEDED: [],
} as const satisfies Record<TurnStatus, readonly TurnStatus[]>;

export const turnStatuses = Object.keys(next) as TurnStatus[];
export const canMove = (from: TurnStatus, to: TurnStatus): boolean =>
  (next[from] as readonly TurnStatus[]).includes(to);
export const isTerminal = (status: TurnStatus): boolean => next[status].length === 0;
/** The states from which a move to `to` is legal: what a compare-and-set must find. */
export const statesBefore = (to: TurnStatus): TurnStatus[] => turnStatuses.filter((from) => canMove(from, to));
