/** The value below which this share of the values lies. Sorts a copy. */
export function percentile(values: ArrayLike<number>, share: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}

export const median = (values: readonly number[]): number => percentile(values, 0.5);

/** Three significant digits, with thousands set apart: what a measurement on a shared machine is worth. */
export function shown(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const rounded = Number(value.toPrecision(3));
  return rounded.toLocaleString('en-US', {
    maximumFractionDigits: Math.abs(rounded) < 10 ? 2 : Math.abs(rounded) < 100 ? 1 : 0,
  });
}
