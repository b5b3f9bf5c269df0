/** The same object, which nobody can change from now on, nor what is in it. */
export function frozen<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (inner !== null && typeof inner === 'object') frozen(inner);
  return Object.freeze(value);
}
