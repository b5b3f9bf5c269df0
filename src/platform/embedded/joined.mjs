// @ts-check
/**
 * One array of bytes out of several, in memory of its own, and no longer than it is: what is moved to another thread
 * must not be a window into what others use, as those are that `Buffer.concat` makes.
 * @param {readonly Uint8Array[]} chunks
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function joined(chunks) {
  const whole = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
