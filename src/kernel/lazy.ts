/**
 * A kind of object whose properties are made when they are first asked for, each once for every object. Making an object costs the same
 * however many properties it may have.
 */
export function lazily<T extends object>(makers: { readonly [K in keyof T]: () => T[K] }): () => T {
  const kind = {};
  for (const name of Object.keys(makers) as (keyof T)[])
    Object.defineProperty(kind, name, {
      enumerable: true,
      get() {
        const value = makers[name]();
        Object.defineProperty(this, name, { value, enumerable: true });
        return value;
      },
    });
  return () => Object.create(kind) as T;
}
