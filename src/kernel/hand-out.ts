/** Gives a value to the first who asks, and forgets it: it may be large, and whoever holds the function may live long. */
export function handOut<T>(value: T): () => T | undefined {
  let kept: T | undefined = value;
  return () => {
    const given = kept;
    kept = undefined;
    return given;
  };
}
