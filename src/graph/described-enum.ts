import { builder } from './builder.ts';

/** An enum whose every value is described. */
export const described = <V extends string>(name: string, description: string, values: Record<V, string>) =>
  builder.enumType(name, {
    description,
    values: Object.fromEntries(
      Object.entries<string>(values).map(([value, text]) => [value, { description: text }]),
    ) as Record<V, { description: string }>,
  });
