import './types.ts';
import './turn-lists.ts';
import './mutations.ts';
