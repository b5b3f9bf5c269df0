import { describe, expect, it } from 'vitest';
import { groupsOf, type RunGroup, tryGroup } from './groups.ts';
import { candidatesOf, type Mutation } from './mutations.ts';

const negations = candidatesOf('a.ts', 'x = [!a, !b, !c, !d, !e];');
const files = ['1.test.ts', '2.test.ts', '3.test.ts'];

/**
 * A suite in which `notices` names the files that turn red with a fault; `flaky` ones are red in so many runs, whatever
 * is made.
 */
function suite(notices: Record<string, string[]>, flaky: Record<string, number> = {}) {
  const runs: string[] = [];
  const luck = { ...flaky };
  const run: RunGroup = async (mutations, chosen) => {
    runs.push(`${mutations.map(({ before }) => before).join('')} ${chosen.map((file) => file[0]).join('')}`);
    const isRed = (file: string): boolean =>
      (luck[file] ?? 0) > 0 || mutations.some(({ before }) => notices[before]?.includes(file));
    const results = chosen.map((file) => ({ file, ok: !isRed(file), ms: 1, failed: isRed(file) ? ['a promise'] : [] }));
    for (const file of chosen) luck[file] = (luck[file] ?? 0) - 1;
    return { state: results.every(({ ok }) => ok) ? 'green' : 'red', files: results, errors: [], output: '' };
  };
  return { run, runs };
}

async function verdictsOf(group: Mutation[], run: RunGroup): Promise<Record<string, string>> {
  const verdicts: Record<string, string> = {};
  await tryGroup(group, files, run, ({ before }, { state, by }) => {
    verdicts[before] = by ? `${state} by ${by}` : state;
  });
  return verdicts;
}

describe('a group of faults', () => {
  it('survives together, in one run, where nothing is red', async () => {
    const { run, runs } = suite({});
    expect(await verdictsOf(negations, run)).toEqual({
      '!a': 'alive',
      '!b': 'alive',
      '!c': 'alive',
      '!d': 'alive',
      '!e': 'alive',
    });
    expect(runs).toEqual(['!a!b!c!d!e 123']);
  });

  it('is halved with the red files alone, until each that is noticed is found', async () => {
    const { run, runs } = suite({ '!b': ['2.test.ts'], '!e': ['3.test.ts'] });
    const verdicts = await verdictsOf(negations, run);
    expect(verdicts).toEqual({
      '!a': 'alive',
      '!b': 'killed by 2.test.ts',
      '!c': 'alive',
      '!d': 'alive',
      '!e': 'killed by 3.test.ts',
    });
    expect(runs.slice(1).filter((each) => each.includes('1'))).toEqual([]);
  });

  it('is not called killed by a file that is red by chance', async () => {
    const { run } = suite({}, { '2.test.ts': 2 });
    expect(await verdictsOf(negations.slice(0, 2), run)).toEqual({ '!a': 'alive', '!b': 'alive' });
  });

  it('is not called killed by a file that is red without a fault too', async () => {
    const { run } = suite({}, { '2.test.ts': 99 });
    expect(await verdictsOf(negations.slice(0, 2), run)).toEqual({ '!a': 'alive', '!b': 'alive' });
  });
});

describe('groups', () => {
  it('have no more than so many faults', () => {
    expect(groupsOf(negations, 2).map((group) => group.length)).toEqual([2, 2, 1]);
  });

  it('have no two faults in one place', () => {
    const faults = candidatesOf('a.ts', 'x = a && b;');
    expect(faults).toHaveLength(2);
    expect(groupsOf(faults, 6)).toHaveLength(2);
  });
});
