import type { ObjectRef, OutputRef } from '@pothos/core';
import { AppError } from '../kernel/errors.ts';
import { builder } from './builder.ts';
import type { Context } from './context.ts';
import { asData, refusalType, typeOfRefusal } from './error-types.ts';

type Types = typeof builder.$inferSchemaTypes;

/** A class of refusals that is an object type of the schema, by the same name. */
type RefusalClass = (abstract new (...args: never[]) => AppError) & { name: string };

type Options<Shape> = { description: string; success: ObjectRef<Types, Shape>; errors: readonly RefusalClass[] };

/**
 * What a mutation answers: its success, or a refusal. One list of refusals serves both sides, so that they cannot
 * differ: `type` is the union of the schema, and `run` makes data of exactly these. Whatever else is thrown is an error
 * of the operation.
 */
export function resultUnion<Shape>(name: string, { description, success, errors }: Options<Shape>) {
  const listed = new Set(errors.map((each) => each.name));
  const type = builder.unionType(name, {
    description,
    types: [success, ...errors] as never,
    resolveType: (value) => typeOfRefusal(value) ?? success.name,
  }) as unknown as OutputRef<Shape>;

  /**
   * Does the work of a mutation. What it answers is read anew, also where an earlier mutation of the same document had
   * read it.
   */
  async function run(context: Context, work: (context: Context) => Shape | Promise<Shape>): Promise<Shape> {
    context.renewLoaders();
    try {
      return await work(context);
    } catch (error) {
      // Which type it is, resolveType knows.
      if (error instanceof AppError && listed.has(refusalType(error))) return asData(error) as Shape;
      throw error;
    }
  }

  return { type, run };
}
