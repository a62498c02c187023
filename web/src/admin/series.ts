// The figures of a node over the last minutes, as they were asked for. Pure.

/** So many readings are kept. */
export const KEPT = 90;

export interface Reading {
  at: number;
  sessions: number;
  rate: number;
  /** Of a commit, in milliseconds: the 99th percentile. */
  commit: number;
  queue: number;
}

export function keep(readings: readonly Reading[], next: Reading): Reading[] {
  return [...readings.slice(-(KEPT - 1)), next];
}

/** The points of a line in a box, newest at the right; one reading is a flat line. */
export function pointsOf(values: readonly number[], width: number, height: number): string {
  if (values.length === 0) return '';
  const most = ceiling(values);
  const step = width / (KEPT - 1);
  const y = (value: number) => round(height - (value / most) * height);
  const from = width - (values.length - 1) * step;
  const points = values.map((value, at) => `${round(from + at * step)},${y(value)}`);
  return values.length === 1 ? `0,${y(values[0] ?? 0)} ${points[0]}` : points.join(' ');
}

/** A round number above all values, so that the line does not jump at every reading. */
export function ceiling(values: readonly number[]): number {
  const most = Math.max(...values, 0);
  if (most <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  const step = [1, 2, 5, 10].find((one) => one * power >= most) ?? 10;
  return step * power;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

export function bytes(count: number | null | undefined): string {
  if (count === null || count === undefined) return '—';
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  const at = count < 1 ? 0 : Math.min(3, Math.floor(Math.log2(count) / 10));
  return `${(count / 1024 ** at).toFixed(at === 0 ? 0 : 1)} ${units[at]}`;
}

export function duration(seconds: number): string {
  const [d, h, m] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  if (d > 0) return `${d} d ${h} h`;
  if (h > 0) return `${h} h ${m} min`;
  return m > 0 ? `${m} min` : `${Math.floor(seconds)} s`;
}
