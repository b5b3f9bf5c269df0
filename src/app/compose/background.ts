import { createDecisions, createOutputs, type Decisions, type Outputs } from '../../features/approvals/index.ts';
import { createSummaries } from '../../features/context/index.ts';
import type { SideCalls } from '../../features/side-calls/index.ts';
import { createTitles, type Titles } from '../../features/titles/index.ts';
import type { ToolRegistry } from '../../features/tools/index.ts';
import { type Bell, createBell } from '../../kernel/async.ts';
import { type Machines, toolValues } from './machines.ts';

/** What goes on beside turns, for users and for the worker: calls of models, and what turns wait for. */
export type Background = {
  /** Rung where turns may wait in this process. */
  bell: Bell;
  titles: Titles;
  summaries: SideCalls;
  decisions: Decisions;
  outputs: Outputs;
};

export function createBackground(
  { config, database, log, bus, logger, clock, models, rates, countTokens }: Machines,
  registry: ToolRegistry,
): Background {
  const { titles, summaries } = config.conversations;
  const beside = { database, log, logger, clock, countTokens };
  const bell = createBell();
  const waiting = { database, log, bus, registry, json: toolValues, nudge: bell.ring };
  return {
    bell,
    titles: createTitles({
      ...beside,
      isAutomatic: titles.isAutomatic,
      modelFor: models.beside(titles.model),
      countTurn: rates.turn,
    }),
    summaries: createSummaries({
      ...beside,
      isAutomatic: summaries.isAutomatic,
      modelFor: models.beside(summaries.model),
    }),
    decisions: createDecisions(waiting),
    outputs: createOutputs(waiting),
  };
}
