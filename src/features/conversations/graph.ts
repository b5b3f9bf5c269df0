import './message-types.ts';
import './types.ts';
import './queries.ts';
import './mutations.ts';
import './tree/tree-types.ts';
import './tree/mutations.ts';
