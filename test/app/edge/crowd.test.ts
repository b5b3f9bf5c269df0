import { expect, it } from 'vitest';
import { Crowd } from '../../../src/app/edge/crowd.ts';

it('a crowd knows the oldest of the address that has most, whatever came and went', () => {
  const crowd = new Crowd<number>();
  const members: { address: string; member: number }[] = [];
  let seed = 11;
  const random = (below: number) => {
    seed = (seed * 16_807) % 2_147_483_647;
    return seed % below;
  };
  for (let step = 0; step < 3_000; step++) {
    if (members.length > 0 && random(5) < 2) {
      const [gone] = members.splice(random(members.length), 1);
      crowd.remove(gone!.address, gone!.member);
      crowd.remove(gone!.address, gone!.member); // does nothing
    } else {
      const address = `address ${random(12)}`;
      members.push({ address, member: step });
      crowd.add(address, step);
    }
    expect(crowd.size).toBe(members.length);
    const except = members.at(-1)?.member ?? -1;
    const found = crowd.oldestOfLargest(except);
    const others = members.filter(({ member }) => member !== except);
    if (found === null) {
      expect(others).toEqual([]);
      continue;
    }
    const sizeOf = (address: string) => members.filter((each) => each.address === address).length;
    const { address } = members.find(({ member }) => member === found)!;
    const largest = Math.max(...others.map((each) => sizeOf(each.address)));
    expect(sizeOf(address)).toBe(largest);
    expect(found).toBe(others.find((each) => each.address === address)!.member);
  }
});
