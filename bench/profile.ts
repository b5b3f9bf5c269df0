/**
 * `npx tsx bench/profile.ts FILE.cpuprofile`: where the time of a profiled run went, by package or file and by
 * function.
 */
import { readFileSync } from 'node:fs';

type Node = { id: number; callFrame: { functionName: string; url: string; lineNumber: number }; children?: number[] };
type Profile = { nodes: Node[]; samples: number[]; timeDeltas: number[] };

const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as Profile;
const byId = new Map(nodes.map((node) => [node.id, node]));
const self = new Map<number, number>();
for (const [index, id] of samples.entries()) self.set(id, (self.get(id) ?? 0) + timeDeltas[index]!);

const placeOf = (url: string): string =>
  /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ?? url.replace(/^.*\/(dist|bench)\//, '$1/');
const nameOf = ({ callFrame: { functionName, url, lineNumber } }: Node): string =>
  `${functionName || '(anonymous)'} ${url ? `${placeOf(url)}:${lineNumber + 1}` : ''}`;

const byPlace = new Map<string, number>();
const bySelf = new Map<string, number>();
const byTotal = new Map<string, number>();
const add = (times: Map<string, number>, key: string, time: number) => times.set(key, (times.get(key) ?? 0) + time);
let busy = 0;

/** The time of a node and of all below it; a function that calls itself counts once. */
function walk(node: Node, above: ReadonlySet<string>): number {
  const { functionName, url } = node.callFrame;
  if (functionName === '(idle)') return 0;
  const name = nameOf(node);
  const own = self.get(node.id) ?? 0;
  busy += own;
  add(byPlace, url ? placeOf(url) : functionName, own);
  add(bySelf, name, own);
  const within = new Set(above).add(name);
  const total = (node.children ?? []).reduce((sum, id) => sum + walk(byId.get(id)!, within), own);
  if (!above.has(name) && url) add(byTotal, name, total);
  return total;
}
walk(nodes[0]!, new Set());

function print(title: string, times: Map<string, number>, count: number): void {
  console.log(`\n${title}`);
  for (const [name, time] of [...times].sort(([, a], [, b]) => b - a).slice(0, count))
    console.log(`${((100 * time) / busy).toFixed(1).padStart(6)} %  ${(time / 1e6).toFixed(2).padStart(7)} s  ${name}`);
}
console.log(`${(busy / 1e6).toFixed(1)} s of work`);
print('By package or file, alone', byPlace, 30);
print('By function, alone', bySelf, 30);
print('By function, with what it calls', byTotal, 70);
