import { examine } from '../doctor/examine.ts';
import { lineOf } from '../doctor/finding.ts';
import { isCommand } from './is-command.ts';

if (isCommand(import.meta.filename)) {
  const findings = await examine();
  for (const finding of findings) console.log(lineOf(finding));
  const problems = findings.filter(({ state }) => state === 'problem').length;
  console.log(
    problems === 0 ? '\nNothing is wrong here.' : `\n${problems} ${problems === 1 ? 'problem' : 'problems'} to solve.`,
  );
  process.exit(problems === 0 ? 0 : 1); // what did not answer may still hold a socket
}
