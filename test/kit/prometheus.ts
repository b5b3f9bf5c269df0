type Sample = { name: string; labels: Record<string, string>; value: number };
export type Exposition = {
  samples: Sample[];
  /** Kinds of the metrics by their names. */
  types: Map<string, string>;
  /**
   * The value of the one sample with these labels (others may be there); 0 where there is none. Fails where there are
   * several.
   */
  value(name: string, labels?: Record<string, string>): number;
  has(name: string): boolean;
  sum(name: string, labels?: Record<string, string>): number;
};

const label = String.raw`[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\.)*"`;
const sampleLine = new RegExp(String.raw`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(${label}(?:,${label})*)\})? (\S+)$`);

/**
 * Reads the text format line by line, as strictly as Prometheus does, and fails on the first line that is not of it.
 */
export function parseExposition(text: string): Exposition {
  if (!text.endsWith('\n')) throw new Error('The last line has no end');
  const types = new Map<string, string>();
  const helped = new Set<string>();
  const samples: Sample[] = [];
  const seen = new Set<string>();
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [, comment, name, rest] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (comment === 'HELP') helped.add(name!);
    else if (comment === 'TYPE') types.set(name!, rest!);
    else samples.push(readSample(line, types, helped, seen));
  }
  checkHistograms(samples, types);
  const matching = (name: string, labels: Record<string, string> = {}) =>
    samples.filter(
      (each) => each.name === name && Object.entries(labels).every(([key, value]) => each.labels[key] === value),
    );
  return {
    samples,
    types,
    has: (name) => matching(name).length > 0,
    value(name, labels) {
      const found = matching(name, labels);
      if (found.length > 1) throw new Error(`${name} has ${found.length} samples with these labels`);
      return found[0]?.value ?? 0;
    },
    sum: (name, labels) => matching(name, labels).reduce((sum, { value }) => sum + value, 0),
  };
}

function readSample(line: string, types: Map<string, string>, helped: Set<string>, seen: Set<string>): Sample {
  const [whole, name, labels = '', number] = sampleLine.exec(line) ?? [];
  if (whole === undefined) throw new Error(`This is no sample: ${line}`);
  const family = types.has(name!) ? name! : name!.replace(/_(bucket|sum|count)$/, '');
  if (!types.has(family) || !helped.has(family)) throw new Error(`${name} comes without its HELP and TYPE`);
  const key = `${name}{${labels.split(/,(?=[a-zA-Z_])/).sort()}}`;
  if (seen.has(key)) throw new Error(`${key} comes twice`);
  seen.add(key);
  const value = /^[+-]?inf$/i.test(number!)
    ? Number.POSITIVE_INFINITY
    : /^nan$/i.test(number!)
      ? Number.NaN
      : Number(number);
  if (Number.isNaN(value) && !/^nan$/i.test(number!)) throw new Error(`${number} is no value: ${line}`);
  const pairs = [...labels.matchAll(new RegExp(label, 'g'))].map(([pair]) => pair.split(/=(.*)/s) as [string, string]);
  return { name: name!, labels: Object.fromEntries(pairs.map(([at, quoted]) => [at, quoted.slice(1, -1)])), value };
}

/** The buckets of a histogram only grow, and the last of them holds everything. */
function checkHistograms(samples: readonly Sample[], types: ReadonlyMap<string, string>): void {
  const last = new Map<string, { le: number; value: number }>();
  for (const { name, labels, value } of samples) {
    const family = name.replace(/_(bucket|count)$/, '');
    if (types.get(family) !== 'histogram') continue;
    const { le, ...others } = labels;
    const key = `${family}${JSON.stringify(others)}`;
    const before = last.get(key);
    if (name.endsWith('_bucket')) {
      const now = { le: le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le), value };
      if (before && (now.le <= before.le || now.value < before.value))
        throw new Error(`The buckets of ${key} do not grow`);
      last.set(key, now);
    } else if (name.endsWith('_count') && (before?.le !== Number.POSITIVE_INFINITY || before.value !== value))
      throw new Error(`The buckets of ${key} do not add up to its count`);
  }
}

/** Asks a process for its metrics. */
export async function scrape(opsUrl: string): Promise<Exposition> {
  const response = await fetch(`${opsUrl}/metrics`);
  if (response.status !== 200) throw new Error(`The scrape was answered with ${response.status}`);
  return parseExposition(await response.text());
}
