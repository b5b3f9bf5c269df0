import { writeFileSync } from 'node:fs';
import { printed, printedPossibleTypes } from './schema.ts';

const root = new URL('../../', import.meta.url);
writeFileSync(new URL('schema.graphql', root), printed());
writeFileSync(new URL('docs/clients/possible-types.json', root), printedPossibleTypes());
