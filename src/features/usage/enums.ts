import { described } from '../../graph/described-enum.ts';

export const UsageKind = described('UsageKind', 'What a provider was called for.', {
  CHAT: 'An answer.',
  EMBEDDING: 'An embedding of text.',
  TITLE: 'A title.',
  SUMMARY: 'A summary of older messages.',
  MODERATION: 'A check of content.',
});

export const UsageSource = described('UsageSource', 'Who counted the tokens of a call.', {
  PROVIDER: "The provider's own count.",
  ESTIMATED:
    'An estimate, at least in part, because the provider sent no count, or one that cannot be right. Of nothing ' +
    'where it refused the call.',
  RECONCILED: "An estimate that was corrected to the provider's count.",
  CACHE: 'No model was called: the answer came from a cache.',
});
