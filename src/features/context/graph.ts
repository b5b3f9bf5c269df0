import './context-types.ts';
import './queries.ts';
