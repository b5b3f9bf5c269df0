import pg from 'pg';
import type { World } from './app.ts';

/** Statements beside the server, as an operator could make them. Only where the world is on PostgreSQL. */
export async function sql<Row extends object>(world: World, text: string, params: unknown[] = []): Promise<Row[]> {
  const client = new pg.Client({ connectionString: world.env.DATABASE_URL! });
  await client.connect();
  try {
    return (await client.query<Row>(text, params)).rows;
  } finally {
    await client.end();
  }
}
