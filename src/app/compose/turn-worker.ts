import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Found } from '../../contracts/tool.ts';
import { findConversation } from '../../features/conversations/index.ts';
import { findMessage } from '../../features/messages/index.ts';
import type { ToolRegistry } from '../../features/tools/index.ts';
import {
  createHeartbeat,
  createWorker,
  deleteStaleWorkers,
  type Heartbeat,
  type LaunchIsolated,
  type Worker,
} from '../../features/worker/index.ts';
import { fromGlobalId } from '../../kernel/global-id.ts';
import type { Database } from '../../platform/db.ts';
import type { Background } from './background.ts';
import { answers, type Machines, toolValues } from './machines.ts';

type Parts = { background: Background; registry: ToolRegistry; launchIsolated: LaunchIsolated | null };

/** How often a worker looks for turns of which no hint came, in milliseconds. */
const claimPollMs = 300;

/** The worker of this process, and what tells others that it runs; null where its role has none. */
export function createTurnWorker(machines: Machines, parts: Parts): { worker: Worker; heartbeat: Heartbeat } | null {
  const { config, database, logger, models } = machines;
  if (config.role === 'api') return null;
  const { background, registry, launchIsolated } = parts;
  const { turns, tools } = config;
  const worker = createWorker({
    ...machines,
    bell: background.bell,
    launchIsolated,
    pollMs: claimPollMs,
    ...{ sweepMs: turns.sweepMs, maxRetries: turns.maxRetries, limits: turns.context },
    ...{ leaseMs: turns.leaseMs, concurrency: turns.concurrency, perUser: turns.perUser },
    ...{ titles: background.titles, summaries: background.summaries },
    json: answers,
    tools: { ...tools, registry, json: toolValues, lookUp: createLookUp(database.prisma) },
    sweeps: () => Promise.all([background.decisions.expire(50), deleteStaleWorkers(database)]),
    worker: `${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`,
    providerOf: models.ofTurn,
  });
  const facts = { id: worker.id, host: hostname(), pid: process.pid, turnsLimit: turns.concurrency };
  return { worker, heartbeat: createHeartbeat({ database, logger, worker: facts }) };
}

/** Reads by global id as a user may: what does not exist for them is not there. */
const createLookUp =
  (db: Database['prisma']) =>
  async (userId: string, globalId: string): Promise<Found | null> => {
    const node = fromGlobalId(globalId);
    const viewer = { userId, roles: [], expiresAt: new Date() };
    if (node?.type === 'Conversation')
      return (
        (await findConversation(db, viewer, node.id)) && { type: 'Conversation', id: node.id, conversationId: node.id }
      );
    const message = node?.type === 'Message' ? await findMessage(db, viewer, node.id) : null;
    return message && { type: 'Message', id: message.id, conversationId: message.conversationId };
  };
