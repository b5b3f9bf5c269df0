import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { AnyTool } from '../../contracts/tool.ts';
import { createToolRegistry, type ToolRegistry } from '../../features/tools/index.ts';
import { StartError } from '../start-error.ts';
import { samples } from './samples.ts';

/** Reads the modules that an installation names, and refuses what could not work before anything is opened. */
export async function loadTools(modules: readonly string[]): Promise<ToolRegistry> {
  const tools: AnyTool[] = [];
  for (const name of modules) tools.push(...(await toolsOf(name)));
  try {
    return createToolRegistry(tools);
  } catch (error) {
    throw new StartError(`TOOLS: ${(error as Error).message}`);
  }
}

async function toolsOf(name: string): Promise<readonly AnyTool[]> {
  if (name === 'samples') return samples;
  const path = resolve(name);
  const module = await import(pathToFileURL(path).href).catch((error: unknown) => {
    throw new StartError(
      `TOOLS: ${path} could not be loaded: ${error instanceof Error ? error.message : String(error)}`,
    );
  });
  const { default: given } = module as { default?: AnyTool | readonly AnyTool[] };
  if (given === undefined)
    throw new StartError(`TOOLS: ${path} has no default export; expected a tool or a list of tools.`);
  return Array.isArray(given) ? given : [given as AnyTool];
}
