import { existsSync, realpathSync } from 'node:fs';

/** Whether this very file was run, not imported; a symbolic link to it counts. */
export function isCommand(filename: string): boolean {
  const script = process.argv[1];
  return script !== undefined && existsSync(script) && realpathSync(script) === filename;
}
