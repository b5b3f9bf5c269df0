import type { CodegenConfig } from '@graphql-codegen/cli';
import scalars from './docs/clients/scalars.json' with { type: 'json' };

/** Typed documents for every operation under test/operations: the tests use them as their client. */
const config: CodegenConfig = {
  schema: 'schema.graphql',
  emitLegacyCommonJSImports: false,
  documents: ['test/operations/*.graphql'],
  generates: {
    'test/generated/': {
      preset: 'client',
      presetConfig: { fragmentMasking: false },
      config: {
        useTypeImports: true,
        enumType: 'string-literal',
        enumsAsTypes: true,
        strictScalars: true,
        scalars: { ID: 'string', ...scalars },
      },
    },
  },
};

export default config;
