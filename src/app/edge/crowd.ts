/**
 * Members by address, of which the oldest of the address with the most can be found at once, however many there are.
 */
export class Crowd<T> {
  size = 0;
  private readonly members = new Map<string, Set<T>>();
  /** Addresses by how many members they have. */
  private readonly byCount: Set<string>[] = [];

  add(address: string, member: T): void {
    const own = this.members.get(address) ?? new Set<T>();
    if (own.size === 0) this.members.set(address, own);
    this.move(address, own.size, own.size + 1);
    own.add(member);
    this.size += 1;
  }

  remove(address: string, member: T): void {
    const own = this.members.get(address);
    if (!own?.delete(member)) return;
    this.move(address, own.size + 1, own.size);
    if (own.size === 0) this.members.delete(address);
    this.size -= 1;
  }

  /** The oldest member of an address that has most, other than this one. */
  oldestOfLargest(except: T): T | null {
    for (let count = this.byCount.length - 1; count > 0; count--)
      for (const address of this.byCount[count]!)
        for (const member of this.members.get(address)!) if (member !== except) return member;
    return null;
  }

  private move(address: string, from: number, to: number): void {
    this.byCount[from]?.delete(address);
    if (to > 0) {
      this.byCount[to] ??= new Set();
      this.byCount[to].add(address);
    }
    while (this.byCount.length > 1 && !this.byCount.at(-1)?.size) this.byCount.pop();
  }
}
