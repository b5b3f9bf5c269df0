import type { AnswerBudget } from './budget/answer-budget.ts';
import type { Context } from './context.ts';
import type { Info } from './selection.ts';

const resolvers = new WeakSet<object>();

/** A resolver of a field whose value may be long: it is charged, as JSON, before it stands in the answer. */
export function charged<Parent, Args, Value>(
  resolve: (parent: Parent, args: Args, context: Context, info: Info) => Value | Promise<Value>,
): (parent: Parent, args: Args, context: Context, info: Info) => Value | Promise<Value> {
  const charging = (parent: Parent, args: Args, context: Context, info: Info): Value | Promise<Value> => {
    if (context.budget.refusal) return emptyText as Value;
    const value = resolve(parent, args, context, info);
    if (value instanceof Promise) return settled(context.budget, value);
    return chargeFor(context.budget, value);
  };
  resolvers.add(charging);
  return charging;
}

/**
 * What stands in an answer that will be refused, for any type of field. An error for each of thousands of fields would
 * cost more than what is refused.
 */
const emptyText: unknown = '';

const chargeFor = <Value>(budget: AnswerBudget, value: Value): Value =>
  budget.chargeJson(value) ? value : (emptyText as Value);

async function settled<Value>(budget: AnswerBudget, value: Promise<Value>): Promise<Value> {
  try {
    return chargeFor(budget, await value);
  } catch (error) {
    if (budget.refusal) return emptyText as Value;
    throw error;
  }
}

/** Whether a resolver is one of these. */
export const isCharged = (resolve: unknown): boolean => typeof resolve === 'function' && resolvers.has(resolve);
