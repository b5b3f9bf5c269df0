import { channel } from 'node:diagnostics_channel';
import type { TurnPoint } from '../../../contracts/turn.ts';

const points = channel('colloquy.turn');
/** Tells those who watch the process, such as tests, that a turn is at a point. */
export const reportPoint = (turnId: string, point: TurnPoint): void => {
  if (points.hasSubscribers) points.publish({ turnId, point });
};
