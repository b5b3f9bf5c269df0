/**
 * A header that lists what a client accepts, read: what, and how much it wants that, from 0 for not at all to 1. What
 * it wants in another encoding of characters than UTF-8 is left out, since nothing is given in one.
 */
function acceptWeights(header: string): Map<string, number> {
  const wanted = new Map<string, number>();
  for (const entry of header.toLowerCase().split(',')) {
    const [name = '', ...parameters] = entry.split(';').map((part) => part.trim());
    const weight = parameters.find((parameter) => parameter.startsWith('q='));
    const isUtf8 = parameters.every(
      (parameter) => !parameter.startsWith('charset=') || /^charset="?utf-?8"?$/.test(parameter),
    );
    if (name !== '' && isUtf8) wanted.set(name, weight === undefined ? 1 : Number(weight.slice(2)) || 0);
  }
  return wanted;
}

const firstOf = (wanted: Map<string, number>, names: readonly string[]): number => {
  const name = names.find((each) => wanted.has(each));
  return name === undefined ? 0 : wanted.get(name)!;
};

/**
 * How much a client wants a media type (RFC 9110, 12.5.1): what it says of the type itself counts, then of its family,
 * then of all.
 */
export function acceptWeight(accept: string | null | undefined, type: string): number {
  if (!accept?.trim()) return 1;
  return firstOf(acceptWeights(accept), [type, `${type.split('/', 1)[0]}/*`, '*/*']);
}

/** Whether a client names a media type, not only all of its family. */
export const names = (accept: string | undefined, type: string): boolean =>
  (acceptWeights(accept ?? '').get(type) ?? 0) > 0;

/** Whether a client reads what is packed by gzip. One that says nothing of packing may not. */
export const acceptsGzip = (encodings: string | null | undefined): boolean =>
  firstOf(acceptWeights(encodings ?? ''), ['gzip', 'x-gzip', '*']) > 0;
