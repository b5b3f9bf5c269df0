import DataLoader from 'dataloader';
import { type AnswerBudget, unmeasured } from './answer-budget.ts';

/**
 * What may be large of a row: read with it, or read when somebody asks, and charged to the budget of the answer either
 * way. `C` are the columns.
 */
export class Contents<C> {
  private readonly read: C | null;
  private readonly load: () => Promise<C>;

  constructor(read: C | null, load: () => Promise<C>) {
    this.read = read;
    this.load = load;
  }

  get(): C | Promise<C> {
    return this.read ?? this.load();
  }
}

/**
 * A row as a statement gives it: with the bytes of its contents, and with these themselves where all rows of the
 * statement had room.
 */
export type FoundRow<Row, C> = Omit<Row, 'contents' | 'bytes'> & C & { bytes: number; isWhole: boolean };

type Row<C> = { id: string; bytes: number; contents: Contents<C> };

/** Reads rows of one kind for one answer. */
export class RowReader<R extends Row<C>, C> {
  private readonly budget: AnswerBudget;
  private readonly contents: DataLoader<{ id: string; bytes: number }, C, string>;

  /** `readContents` reads them by the ids of their rows, in any order. */
  constructor(budget: AnswerBudget, readContents: (ids: readonly string[]) => Promise<(C & { id: string })[]>) {
    this.budget = budget;
    this.contents = new DataLoader(
      async (rows) => {
        const bytes = rows.reduce((sum, row) => sum + row.bytes, 0);
        const found = await budget.readKnown(bytes, () => readContents(rows.map(({ id }) => id)));
        const byId = new Map(found.map((each) => [each.id, each]));
        return rows.map(({ id }) => byId.get(id) ?? new Error(`The contents of ${id} are gone.`));
      },
      { cacheKeyFn: ({ id }) => id },
    );
  }

  /**
   * Rows with their contents, where these are no more than a few pages of text together; else these wait until they are
   * asked for.
   */
  read(find: (room: number) => Promise<FoundRow<R, C>[]>): Promise<R[]> {
    return this.budget.readWithin(unmeasured, async (room) => {
      const found = await find(room);
      return {
        value: found.map((row) => this.withContents(row)),
        bytes: found.reduce((sum, row) => sum + (row.isWhole ? row.bytes : 0), 0),
      };
    });
  }

  private withContents(found: FoundRow<R, C>): R {
    const row = found as unknown as R;
    row.contents = new Contents<C>(found.isWhole ? found : null, () => this.contents.load(row));
    return row;
  }
}
