/** How deep JSON text may be nested, and how many values it may hold; a list or object within another counts twice. */
export type JsonBounds = { depth: number; values: number };

const quote = 0x22;
const backslash = 0x5c;

/** What a byte outside of strings does to the depth, and whether a value follows it. */
const [deeper, follows] = [new Int8Array(256), new Int8Array(256)];
for (const open of '[{') deeper[open.charCodeAt(0)] = 1;
for (const close of ']}') deeper[close.charCodeAt(0)] = -1;
for (const before of '[{,') follows[before.charCodeAt(0)] = 1;

/**
 * What of these bounds a JSON text goes beyond, found on its bytes in time that follows their number (about 2 ms a
 * megabyte), or null. `JSON.parse` needs a second for half a megabyte of brackets and gives way to nobody meanwhile, so
 * foreign text is looked at before it is parsed. Text that is no JSON at all may pass: the parser refuses it.
 */
export function beyondJsonBounds(bytes: Uint8Array, bounds: JsonBounds): 'depth' | 'values' | null {
  let depth = 0;
  let values = 1;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === quote) at = endOfString(bytes, at + 1);
    depth += deeper[byte]!;
    values += follows[byte]!;
    if (depth > bounds.depth) return 'depth';
    if (values > bounds.values) return 'values';
  }
  return null;
}

/** The place of the quote that ends the string which begins here, or the end of the text. */
function endOfString(bytes: Uint8Array, from: number): number {
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === quote) return at;
    if (byte === backslash) at += 1;
  }
  return bytes.length;
}
