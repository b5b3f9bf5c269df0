import { createGuestService } from '../features/accounts/index.ts';
import { createContextPreview } from '../features/context/index.ts';
import { createConversationService, createVisibility } from '../features/conversations/index.ts';
import { createBranchService } from '../features/messages/index.ts';
import { createModels } from '../features/models/index.ts';
import { copyCalls, countAsked, listAsked, type ToolRegistry } from '../features/tools/index.ts';
import { createTurnService, endAllTurns, listSteered } from '../features/turns/index.ts';
import type { Worker } from '../features/worker/index.ts';
import type { Services } from '../graph/services.ts';
import type { Background } from './compose/background.ts';
import { answers, type Machines } from './compose/machines.ts';

type Parts = { background: Background; registry: ToolRegistry; worker: Worker | null };

/** Above this many events behind, a reader is given the present state instead of every event. */
const maxReplay = 10_000;

/** What resolvers reach: of each room what its `graph.ts` says. */
export function createServices(machines: Machines, { background, registry, worker }: Parts): Services {
  const { config, database, log, hub, bus, clock, pace, models, rates, tokens, frames, countTokens } = machines;
  const asking = { findModel: models.find, countTokens, tools: registry, json: answers };
  const limits = { limits: config.turns.context, maxMessageChars: config.turns.maxMessageChars };
  const conversations = createConversationService({
    ...{ log, clock, defaultLanguage: config.conversations.defaultLanguage },
    chooseModel: (viewer, wanted) => {
      const { id, provider } = models.find(viewer, wanted);
      return { model: id, provider };
    },
    beforeDelete: [(tx, append, id) => endAllTurns({ bus, worker }, tx, append, id)],
  });
  return {
    ...{ conversations, log, hub, maxReplay, maxObjects: config.http.maxQueryObjects, onFrame: frames.onFrame },
    ...{ titles: background.titles, decisions: background.decisions, outputs: background.outputs },
    turns: createTurnService({ ...asking, ...limits, database, log, hub, bus, conversations, rates, worker }),
    previewContext: createContextPreview({ ...asking, ...limits, database, listSteered }),
    branches: createBranchService({ log, db: database.prisma, copyCalls, countTurn: rates.turn }),
    isVisible: createVisibility(database, pace.gather),
    pendingApprovals: {
      list: (...page) => listAsked(database, ...page),
      count: (userId) => countAsked(database, userId),
    },
    models: createModels({
      list: models.list,
      defaultModel: models.defaultModel,
      refuse: (viewer, { id, provider }) => void models.find(viewer, { model: id, provider }),
    }),
    guests: createGuestService({
      ...{ db: database.prisma, tokens, count: rates.guest, countRenewal: rates.renewal },
      ...{ allowGuests: config.auth.allowGuests, hours: config.auth.guestTokenHours },
    }),
  };
}
