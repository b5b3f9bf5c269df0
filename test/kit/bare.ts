import { type DocumentNode, type ExecutionResult, execute, parse, validate } from 'graphql';
import { compose } from '../../src/app/compose/compose.ts';
import { type Config, loadConfig } from '../../src/app/config.ts';
import { createContexts } from '../../src/app/front/context.ts';
import { schema } from '../../src/app/schema.ts';
import type { EventLog } from '../../src/events/index.ts';
import { createToolRegistry } from '../../src/features/tools/index.ts';
import { AnswerShares } from '../../src/graph/budget/index.ts';
import { type Database, openDatabase } from '../../src/platform/db.ts';
import { createLogger } from '../../src/platform/logger.ts';
import type { TestStorage } from './databases.ts';

/** The schema over a database and nothing else: no server, and no worker that would send statements of its own. */
export type Bare = {
  database: Database;
  log: EventLog;
  /** What a user is answered. Errors fail. */
  ask(userId: string, query: string, variables?: Record<string, unknown>): Promise<Record<string, unknown>>;
  close(): Promise<void>;
};

/** A fresh database of this kind with the schema over it. */
export async function createBare(storage: TestStorage): Promise<Bare> {
  const place = await storage.create();
  const database = await openDatabase({ ...place, poolSize: 4 });
  const bare = createBareOver(
    database,
    loadConfig({ LOG_LEVEL: 'silent', TURNS_PER_MINUTE: '0', GUESTS_PER_HOUR: '0' }),
  );
  return {
    ...bare,
    async close() {
      await bare.close();
      await place.drop();
    },
  };
}

export function createBareOver(database: Database, config: Config): Bare {
  const composition = compose({
    config,
    database,
    logger: createLogger(config.log),
    secret: 'x'.repeat(32),
    registry: createToolRegistry([]),
  });
  const contexts = createContexts(database, {
    services: composition.services,
    shares: new AnswerShares(config.http.answers),
  });
  return {
    database,
    log: composition.services.log,
    async ask(userId, query, variableValues = {}) {
      const document: DocumentNode = parse(query);
      const faults = validate(schema, document);
      if (faults.length > 0) throw new Error(faults.map(({ message }) => message).join('; '));
      const viewer = { userId, roles: ['USER' as const], expiresAt: new Date(Date.now() + 3_600_000) };
      const contextValue = contexts(viewer, () => new AbortController().signal);
      const { data, errors } = (await execute({ schema, document, variableValues, contextValue })) as ExecutionResult<
        Record<string, unknown>
      >;
      if (contextValue.budget.refusal) throw contextValue.budget.refusal;
      contextValue.endAnswer();
      if (errors) throw new Error(`Unexpected errors: ${JSON.stringify(errors)}`, { cause: errors[0]?.originalError });
      return data!;
    },
    async close() {
      await composition.close();
      await database.close();
    },
  };
}
