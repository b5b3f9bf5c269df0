import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take longest, the slowest first: one of them that begins last would be waited for alone. */
const slowest = [
  'types',
  'crash/named-points',
  'crash/agent-story',
  'crash/promises',
  'flows/access-matrix',
  'hostile/paused-socket',
  'crash/embedded-restart',
  'readme',
  'platform/migrate',
  'crash/tools',
  'containers',
  'flows/approvals',
  'flows/send-stream-resume',
];

/**
 * Projects one after the other, since a process is only kept for the next file of its project; within one the slowest
 * first, then the longest.
 */
export class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const bySize = await super.sort(files);
    const place = ({ moduleId }: TestSpecification): number => {
      const at = slowest.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`));
      return at < 0 ? slowest.length : at;
    };
    const order = (name: string): number => ['flows', 'counted', 'alone', 'units'].indexOf(name);
    return bySize
      .map((file, at) => ({ file, keys: [order(file.project.name), place(file), at] }))
      .sort((a, b) => a.keys[0]! - b.keys[0]! || a.keys[1]! - b.keys[1]! || a.keys[2]! - b.keys[2]!)
      .map(({ file }) => file);
  }
}
