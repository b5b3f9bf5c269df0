import { PrismaPg } from '@prisma/adapter-pg';
import {
  ColumnTypeEnum,
  DriverAdapterError,
  type SqlDriverAdapter,
  type SqlQuery,
  type SqlResultSet,
} from '@prisma/driver-adapter-utils';
import pg from 'pg';

/**
 * Seam: @prisma/adapter-pg 7.10.0, `queryRaw` and `executeScript` of one adapter, replaced, and the pool that it is
 * given, of which it uses `query` and hands on the very list of rows that this answers. The engine needs more than a
 * client does: columns of the type of one letter, which the adapter refuses, and scripts that are carried out whole. No
 * public option has either. Where the adapter asks its pool in another manner, migrations fail at their first look at
 * the catalog, before anything is changed.
 */
export async function adapterOf(pool: pg.Pool): Promise<SqlDriverAdapter> {
  const letters = new WeakMap<object, number[]>();
  const adapter = await new PrismaPg(withLetters(pool, letters)).connect();
  const queryRaw = adapter.queryRaw.bind(adapter);
  return Object.assign(adapter, {
    async queryRaw(query: SqlQuery): Promise<SqlResultSet> {
      const result = await queryRaw(query);
      for (const column of letters.get(result.rows) ?? []) result.columnTypes[column] = ColumnTypeEnum.Character;
      return result;
    },
    // The original splits a script at every semicolon, also in texts and function bodies, and commits its statements
    // one by one.
    async executeScript(script: string): Promise<void> {
      await pool.query(script).catch((error: unknown) => {
        throw error instanceof pg.DatabaseError ? new DriverAdapterError(failure(error)) : error;
      });
    },
  });
}

/** The type of one letter that PostgreSQL's catalog uses, which the engine reads as such and the adapter refuses. */
const letterType = 18;

/** Passes such columns off as text, and remembers per result which they were. */
function withLetters(pool: pg.Pool, letters: WeakMap<object, number[]>): pg.Pool {
  const query = async (config: pg.QueryConfig) => {
    const result = await pool.query(config);
    letters.set(
      result.rows,
      result.fields.flatMap((field, column) => (field.dataTypeID === letterType ? [column] : [])),
    );
    for (const field of result.fields) if (field.dataTypeID === letterType) field.dataTypeID = pg.types.builtins.TEXT;
    return result;
  };
  const get = (_: pg.Pool, name: keyof pg.Pool) => {
    if (name === 'query') return query;
    const value: unknown = pool[name];
    return typeof value === 'function' ? value.bind(pool) : value;
  };
  return new Proxy(pool, { get: get as ProxyHandler<pg.Pool>['get'] });
}

function failure({
  code = '',
  severity = 'ERROR',
  message,
  detail,
  column,
  hint,
}: pg.DatabaseError): DriverAdapterError['cause'] {
  return {
    kind: 'postgres',
    originalCode: code,
    originalMessage: message,
    code,
    severity,
    message,
    detail,
    column,
    hint,
  };
}
