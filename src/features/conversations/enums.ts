import { described } from '../../graph/described-enum.ts';

export const ConversationStatus = described('ConversationStatus', 'The status of a conversation.', {
  ACTIVE: 'It accepts messages.',
  COMPLETED: 'It has ended for good; it can be read.',
  ARCHIVED: 'It is in the archive and takes no messages; taken out of it, it does again.',
});

export const TitleSource = described('TitleSource', 'Who made the title.', {
  FALLBACK: 'The beginning of the first message, or the date.',
  GENERATED: 'A model.',
  USER: 'The user.',
});
