import { describe, expect, it } from 'vitest';
import { roundsOf } from './kill.ts';

const durations = { unit: 100, flow: 2_000, story: 8_000, other: 3_000, crash: 60_000 };
const files = Object.keys(durations);

describe('the rounds in which test files look for a fault', () => {
  it('go from the quick to the less quick, and leave out the slow', () => {
    expect(roundsOf(files, { durations, noticed: {}, tiers: 2 })).toEqual([['unit'], ['flow', 'other']]);
    expect(roundsOf(files, { durations, noticed: {}, tiers: 1 })).toEqual([['unit']]);
  });

  it('begin with what has noticed most, however quick it is within ten seconds, and run nothing twice', () => {
    const noticed = { flow: 2, story: 5, crash: 9, elsewhere: 3 };
    expect(roundsOf(files, { durations, noticed, tiers: 2 })).toEqual([['story', 'flow'], ['unit'], ['other']]);
  });
});
