import type { Generation, ModelInfo, ToolSpec } from '../../contracts/model-provider.ts';
import type { AnyTool } from '../../contracts/tool.ts';
import { parametersOf } from '../../engine/index.ts';

/** The tools of an installation, by name. */
export type ToolRegistry = {
  readonly all: readonly AnyTool[];
  find(name: string): AnyTool | null;
  /** What a model is offered that is asked like this: what was chosen, else all; nothing where it cannot call tools. */
  offeredTo(info: Pick<ModelInfo, 'supportsTools'>, generation: Pick<Generation, 'tools' | 'toolChoice'>): AnyTool[];
};

/** A model is shown all of them in each call. */
const maxTools = 128;
const maxTimeoutMs = 600_000;

/** Takes definitions, and refuses what could never work: better when the process starts than in somebody's answer. */
export function createToolRegistry(tools: readonly AnyTool[]): ToolRegistry {
  if (tools.length > maxTools)
    throw new Error(`There may be ${maxTools} tools at the most, but there are ${tools.length}.`);
  const byName = new Map<string, AnyTool>();
  for (const tool of tools) {
    check(tool);
    if (byName.has(tool.name)) throw new Error(`There are two tools named "${tool.name}".`);
    byName.set(tool.name, tool);
  }
  const all = [...byName.values()];
  return {
    all,
    find: (name) => byName.get(name) ?? null,
    offeredTo: ({ supportsTools }, { tools: chosen }) =>
      supportsTools ? all.filter(({ name }) => chosen === undefined || chosen.includes(name)) : [],
  };
}

function check(tool: AnyTool): void {
  const fault = faultOf(tool);
  if (fault) throw new Error(`The tool ${JSON.stringify(tool?.name ?? null)} cannot be used: ${fault}.`);
  parametersOf(tool);
}

const replays = ['READ_ONLY', 'IDEMPOTENT', 'NEVER_REPLAY'];

function faultOf(tool: AnyTool): string | null {
  if (typeof tool?.name !== 'string' || !/^[A-Za-z0-9_-]{1,64}$/.test(tool.name))
    return 'its name must have 1 to 64 letters, digits, "_" or "-"';
  if (typeof tool.description !== 'string' || tool.description.trim() === '') return 'it has no description';
  if (typeof tool.input?.['~standard']?.validate !== 'function')
    return 'its input is no Standard Schema, such as one of zod';
  if (!('execute' in tool))
    return tool.kind === 'CLIENT' || tool.kind === 'HUMAN'
      ? null
      : 'it has no execute, and is not of kind CLIENT or HUMAN';
  if (!replays.includes(tool.replay)) return `replay must be one of ${replays.join(', ')}`;
  const { timeoutMs = 1 } = tool;
  return timeoutMs >= 1 && timeoutMs <= maxTimeoutMs
    ? null
    : `timeoutMs must be between 1 and ${maxTimeoutMs}, but is ${timeoutMs}`;
}

export const specOf = (tool: AnyTool): ToolSpec => ({
  name: tool.name,
  description: tool.description,
  parameters: parametersOf(tool),
});
