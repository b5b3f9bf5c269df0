import { appendFileSync, existsSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';

/**
 * Tools for tests, as an installation would write them. Effects are lines in the file that the conversation's metadata
 * names as `journal`; a tool that is slow goes on when the file `journal + ".go"` is there.
 */

const note = ({ metadata, callId, attempt }, what) => {
  if (metadata.journal) appendFileSync(metadata.journal, `${JSON.stringify({ what, callId, attempt })}\n`);
};

const topic = z.object({ topic: z.string().min(1).max(100) });
const anything = z.object({});

/** Tools that go wrong, each in its own way. */
const broken = Object.entries({
  throws: () => {
    throw new Error('the password is hunter2');
  },
  says_why: () => {
    throw Object.assign(new Error('Nothing is free on Sundays.'), { name: 'ToolError' });
  },
  throws_no_error: () => {
    throw 'just words';
  },
  circular: () => {
    const self = {};
    self.self = self;
    return self;
  },
  huge: () => 'x'.repeat(10_000_000),
  bytes: () => ({ picture: new Uint8Array(1_000) }),
  big_number: () => ({ count: 12_345_678_901_234_567_890n, nothing: undefined }),
  nothing: () => undefined,
  nul: () => ({ 'a\u0000b': 'c\u0000d\ud800' }),
  never: () => new Promise(() => {}),
}).map(([name, execute]) => ({
  name,
  description: `Goes wrong: ${name}.`,
  input: anything,
  replay: 'READ_ONLY',
  timeoutMs: 300,
  execute,
}));

export default [
  {
    name: 'get_weather',
    description: 'The weather at a place.',
    input: z.object({ location: z.string().min(1), unit: z.enum(['celsius', 'fahrenheit']).default('celsius') }),
    replay: 'READ_ONLY',
    execute({ location, unit }, context) {
      note(context, `weather ${location}`);
      return { location, unit, temperature: location.length };
    },
  },
  {
    name: 'book_appointment',
    description: 'Books an appointment.',
    input: topic.extend({ time: z.string().regex(/^\d\d:\d\d$/) }),
    approval: 'ALWAYS',
    summary: ({ topic: what, time }) => `Book ${what} at ${time}`,
    replay: 'NEVER_REPLAY',
    async execute({ topic: what, time }, context) {
      note(context, `booked ${what} ${time}`);
      return { booked: `${what} at ${time}` };
    },
  },
  {
    name: 'pay',
    description: 'Pays an amount; small ones without asking.',
    input: z.object({ amount: z.number().positive() }),
    approval: ({ amount }) => amount >= 100,
    replay: 'IDEMPOTENT',
    async execute({ amount }, context) {
      note(context, `paid ${amount}`);
      await slowly(context);
      return { paid: amount };
    },
  },
  {
    name: 'send_letter',
    description: 'Sends a letter, at once and for good.',
    input: topic,
    replay: 'NEVER_REPLAY',
    timeoutMs: 20_000,
    async execute({ topic: what }, context) {
      note(context, `sent ${what}`);
      await slowly(context);
      return { sent: what };
    },
  },
  {
    name: 'appointment_form',
    description: 'Shows a form.',
    input: topic,
    replay: 'READ_ONLY',
    async execute({ topic: what }, context) {
      await context.display({ type: 'appointment_form', data: { topic: what, slots: ['09:00', '14:00'] } });
      note(context, `form ${what}`);
      await slowly(context);
      return 'The form is shown.';
    },
  },
  {
    name: 'who_am_i',
    description: 'Says for whom it is called.',
    input: z.object({ userId: z.string(), greeting: z.string().default('Hello') }),
    inject: { userId: ({ viewer }) => viewer.userId },
    replay: 'READ_ONLY',
    execute: ({ userId, greeting }, { viewer }) => ({ greeting, isCaller: userId === viewer.userId }),
  },
  {
    name: 'read_message',
    description: 'Looks a message up.',
    input: z.object({ id: z.string() }),
    replay: 'READ_ONLY',
    execute: async ({ id }, { find }) => ({ found: (await find(id))?.type ?? null }),
  },
  {
    name: 'count_up',
    description: 'Tells how far it is.',
    input: anything,
    replay: 'READ_ONLY',
    async execute(_input, { progress }) {
      progress({ progress: 0.5, message: 'half way', data: { step: 1 } });
      return 'done';
    },
  },
  {
    name: 'get_location',
    description: 'Where the client is.',
    input: anything,
    output: z.object({ city: z.string() }),
    kind: 'CLIENT',
  },
  ...broken,
];

/** Waits until it may go on, where the conversation says so. */
async function slowly({ metadata, signal }) {
  if (!metadata.slow) return;
  while (!signal.aborted && !existsSync(`${metadata.journal}.go`)) await wait(20);
}
