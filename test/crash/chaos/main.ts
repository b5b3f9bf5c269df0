import { parseArgs } from 'node:util';
import { type Report, run } from './run.ts';
import { type FaultName, faultNames, scheduleOf } from './schedule.ts';
import { openStage } from './stage.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '20' },
    minutes: { type: 'string', default: '600' },
    seed: { type: 'string' },
    fault: { type: 'string' },
    each: { type: 'boolean', default: false },
  },
});
const first = Number(values.seed ?? Math.floor(Math.random() * 1e9));
const chosen: readonly FaultName[] = values.fault ? faultNames.filter((name) => name.startsWith(values.fault!)) : faultNames;
const end = Date.now() + Number(values.minutes) * 60_000;
const reports: Report[] = [];
const stage = await openStage();
for (let at = 0; at < (values.each ? chosen.length : Number(values.runs)) && Date.now() < end; at++) {
  const report = await run(stage, scheduleOf(first + at, values.each ? [chosen[at]!] : chosen));
  reports.push(report);
  console.log(JSON.stringify(report));
}
await stage.close();
process.exit(reports.some(({ violations }) => violations.length > 0) ? 1 : 0);
