import { builder } from '../../../graph/builder.ts';
import { idOf } from '../../../graph/ids.ts';
import type { Content, ContentItem } from './content.ts';

const WidgetResponseInput = builder.inputType('WidgetResponseInput', {
  description: 'What the user answered to a widget. Each widget is answered once.',
  fields: (t) => ({
    messageId: t.id({ required: true, description: 'Global id of the message that shows it.' }),
    partIndex: t.int({ required: true, description: '`WidgetPart.index` there.' }),
    response: t.field({
      type: 'JSON',
      required: true,
      description: 'The answer; at most 64 KiB as JSON. The model is shown it.',
    }),
  }),
});

const ContentPartInput = builder.inputType('ContentPartInput', {
  description: 'One piece of a message.',
  isOneOf: true,
  fields: (t) => ({
    text: t.string({ description: 'Text with at least one visible character.' }),
    widgetResponse: t.field({ type: WidgetResponseInput, description: 'An answer to a widget.' }),
  }),
});

export const ContentInput = builder.inputType('ContentInput', {
  description: 'The content of the message.',
  isOneOf: true,
  fields: (t) => ({
    text: t.string({ description: 'Text with at least one visible character.' }),
    parts: t.field({ type: [ContentPartInput], description: 'The parts of the message, 1 to 20, in order.' }),
  }),
});

/** What was said, with its place in the arguments. `@oneOf` sees to it that there is one of each. */
export function contentIn({ text, parts }: typeof ContentInput.$inferInput, path = 'input.content'): Content {
  if (parts == null) return { path, items: [{ text: text ?? '', path: `${path}.text` }] };
  return {
    path: `${path}.parts`,
    items: parts.map(({ text: words, widgetResponse }, index): ContentItem => {
      const at = `${path}.parts.${index}`;
      if (widgetResponse == null) return { text: words ?? '', path: `${at}.text` };
      const { messageId, ...answer } = widgetResponse;
      const place = `${at}.widgetResponse`;
      return {
        path: place,
        answer: { ...answer, messageId: idOf('Message', messageId, `${place}.messageId`), givenId: messageId },
      };
    }),
  };
}
