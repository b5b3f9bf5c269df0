import { z } from 'zod';
import { type AnyTool, defineTool, ToolError } from '../../contracts/tool.ts';
import { sha256 } from '../../kernel/text.ts';

/**
 * Tools to try approvals, widgets and tools with, where no model of one's own is configured yet. What they say is made
 * up.
 */

const conditions = ['sunny', 'cloudy', 'rainy', 'windy', 'foggy'] as const;

const weather = defineTool({
  name: 'get_weather',
  description:
    'Says what the weather is like at a place (a sample: what it says is made up, but always the same for a place).',
  input: z.object({
    location: z.string().min(1).max(100).describe('A city.'),
    unit: z.enum(['celsius', 'fahrenheit']).default('celsius'),
  }),
  replay: 'READ_ONLY',
  execute({ location, unit }) {
    const dice = Number.parseInt(sha256(location.toLowerCase()).slice(0, 8), 16);
    const celsius = (dice % 35) - 5;
    return {
      location,
      unit,
      temperature: unit === 'celsius' ? celsius : Math.round(celsius * 1.8 + 32),
      condition: conditions[dice % conditions.length],
    };
  },
});

const slots = ['09:00', '10:30', '14:00', '15:30'];

const form = defineTool({
  name: 'appointment_form',
  description:
    'Shows the user a form in which to choose a time for an appointment. The choice comes back as a message.',
  input: z.object({ topic: z.string().min(1).max(100).describe('What the appointment is for.') }),
  replay: 'READ_ONLY',
  async execute({ topic }, { display }) {
    await display({ type: 'appointment_form', data: { topic, slots } });
    return 'The form is shown. Wait for the answer of the user.';
  },
});

const bookAppointment = defineTool({
  name: 'book_appointment',
  description: 'Books an appointment (a sample: nothing is booked anywhere). The user is asked first.',
  input: z.object({
    topic: z.string().min(1).max(100),
    time: z.string().regex(/^\d\d:\d\d$/, 'must be a time such as 14:00'),
  }),
  approval: 'ALWAYS',
  summary: ({ topic, time }) => `Book an appointment at ${time}: ${topic}`,
  replay: 'NEVER_REPLAY',
  execute({ topic, time }, { callId }) {
    if (!slots.includes(time)) throw new ToolError(`Nothing is free at ${time}; there are ${slots.join(', ')}.`);
    return { booked: true, topic, time, reference: callId.slice(-8) };
  },
});

export const samples: readonly AnyTool[] = [weather, form, bookAppointment];
