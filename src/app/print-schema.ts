import { writeFileSync } from 'node:fs';
import { printed } from './schema.ts';

writeFileSync(new URL('../../schema.graphql', import.meta.url), printed());
