import { expect, it } from 'vitest';
import { countedText, type ModelMessage, textIn, textMessage, unitsIn } from '../../src/contracts/model-message.ts';

const conversation: ModelMessage[] = [
  textMessage('system', 'Be kind'),
  {
    role: 'user',
    content: [
      { type: 'text', text: 'Look' },
      { type: 'image', mediaType: 'image/png', data: 'AAAA' },
      { type: 'file', name: 'a.pdf', mediaType: 'application/pdf', data: 'BBBB' },
    ],
  },
  {
    role: 'assistant',
    content: [
      { type: 'reasoning', text: 'Hm' },
      { type: 'text', text: 'I look' },
      { type: 'tool-call', callId: 'c1', name: 'look', arguments: '{"at":1}' },
      { type: 'tool-call', callId: 'c2', name: 'look', arguments: '{}' },
    ],
    providerItems: [{ provider: 'p', model: 'm', kind: 'signature', data: 'CCCC' }],
  },
  {
    role: 'tool',
    content: [
      { type: 'tool-result', callId: 'c1', text: 'a cat' },
      { type: 'tool-result', callId: 'c2', text: 'nothing' },
    ],
  },
];

it('a message has the text of its pieces of text, and nothing of the others', () => {
  expect(conversation.map(textIn)).toEqual(['Be kind', 'Look', 'I look', '']);
});

it('the units of a prompt are those of all text that a model reads: also reasoning, arguments and results', () => {
  expect(unitsIn(conversation)).toBe(
    'Be kind'.length + 'Look'.length + 'HmI look{"at":1}{}'.length + 'a catnothing'.length,
  );
});

it('tokens are counted in text, calls and results, one message for each result, and in no bytes of images or signatures', () => {
  expect(JSON.parse(countedText(conversation))).toEqual([
    { role: 'system', content: 'Be kind' },
    { role: 'user', content: 'Look' },
    {
      role: 'assistant',
      content: 'I look',
      toolCalls: [
        { callId: 'c1', name: 'look', arguments: '{"at":1}' },
        { callId: 'c2', name: 'look', arguments: '{}' },
      ],
    },
    { role: 'tool', callId: 'c1', content: 'a cat' },
    { role: 'tool', callId: 'c2', content: 'nothing' },
  ]);
  const [message] = conversation.slice(3);
  expect(countedText([message!])).toBe(
    '[{"role":"tool","callId":"c1","content":"a cat"},{"role":"tool","callId":"c2","content":"nothing"}]',
  );
});
