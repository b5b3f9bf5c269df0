/**
 * The clients, in a process of their own. Takes one job a message, answers with what was measured. Jobs are the
 * functions of loads.ts.
 */
import { loads } from './loads.ts';

type Job = { name: keyof typeof loads; options: never };

process.on('message', async ({ name, options }: Job) => {
  try {
    process.send!({ result: await loads[name](options) });
  } catch (error) {
    process.send!({ error: error instanceof Error ? error.stack : String(error) });
  }
});
process.send!({ url: '' });
