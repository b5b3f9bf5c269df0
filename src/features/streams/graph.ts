import './event-types.ts';
import './subscriptions.ts';
import './event-queries.ts';
