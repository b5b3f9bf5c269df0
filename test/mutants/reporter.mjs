import { appendFileSync } from 'node:fs';
import { relative } from 'node:path';

const write = (line) => appendFileSync(process.env.MUTANTS_RESULTS, `${JSON.stringify(line)}\n`);

/** Writes one line of JSON for each test file as it ends, so that a run which is cut off still says what it found. */
export default class {
  onTestModuleEnd(module) {
    const { prepareDuration, collectDuration, setupDuration, duration } = module.diagnostic();
    const failed = [...module.children.allTests('failed')].map(({ fullName }) => fullName);
    if (module.errors().length > 0) failed.push(`cannot be loaded: ${module.errors()[0].message}`);
    write({
      file: relative(process.cwd(), module.moduleId),
      ok: module.ok(),
      ms: Math.round(prepareDuration + collectDuration + setupDuration + duration),
      failed,
    });
  }

  onTestRunEnd(_modules, errors) {
    for (const { message, VITEST_TEST_PATH: path } of errors)
      write({ error: path ? `${relative(process.cwd(), path)}: ${message}` : `${message}` });
  }
}
