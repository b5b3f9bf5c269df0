import './types.ts';
import './turn-lists.ts';
import './event-types.ts';
import './subscriptions.ts';
import './event-queries.ts';
import './mutations.ts';
