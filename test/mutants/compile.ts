import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import type { Mutation } from './mutations.ts';
import { distPath } from './scratch.ts';

/** Compiles one file as the build does, but alone and without looking at its types. */
export function createCompiler(checkout: string): (text: string, file: string) => string {
  const path = join(checkout, 'tsconfig.build.json');
  const { config } = ts.readConfigFile(path, (name) => readFileSync(name, 'utf8'));
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, checkout, undefined, path);
  // A file that is compiled alone is in no package that says `"type": "module"`.
  const compilerOptions = { ...options, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler };
  return (text, file) => ts.transpileModule(text, { compilerOptions, fileName: file.split('/').at(-1)! }).outputText;
}

/** The files in `dist` that are not what their source says: then processes of the product would run something else than is tested. */
export function staleFiles(checkout: string, mutations: readonly Mutation[]): string[] {
  const compile = createCompiler(checkout);
  const read = (file: string): string => readFileSync(join(checkout, file), 'utf8');
  const files = [...new Set(mutations.map(({ file }) => file))];
  return files.filter((file) => compile(read(file), file) !== read(distPath(file)));
}
