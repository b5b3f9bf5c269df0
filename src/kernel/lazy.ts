/**
 * A kind of object whose properties are made when they are first asked for, each once for every object, of what that
 * object was given, and of its other properties. Making an object costs the same however many properties it may have.
 */
export function lazily<T extends object, G = void>(
  makers: { readonly [K in keyof T]: (given: G, others: T) => T[K] },
): (given: G) => T {
  const kind = {};
  const source = Symbol('given');
  for (const name of Object.keys(makers) as (keyof T)[])
    Object.defineProperty(kind, name, {
      enumerable: true,
      get(this: T & Record<symbol, G>) {
        const value = makers[name](this[source]!, this);
        Object.defineProperty(this, name, { value, enumerable: true });
        return value;
      },
    });
  return (given) => Object.create(kind, { [source]: { value: given } }) as T;
}
