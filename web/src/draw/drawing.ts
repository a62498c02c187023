// What a drawing is: strokes on a sheet, in the order in which they were drawn. Reads what others sent with suspicion: whatever is
// no stroke is left out. Pure.
import type { Drawing } from '@parlor/client';

export const SHEET = { width: 480, height: 320 };
export const COLOURS = ['#1b1f2a', '#3d5bd9', '#d6455d', '#1f9d63', '#e08a1e', '#8b46c9'] as const;
export const WIDTHS = [3, 6, 14] as const;
/** The server takes 64 KiB; a frame has something around it. */
export const MOST_BYTES = 60 * 1024;

export interface Stroke {
  colour: string;
  width: number;
  /** x, y, x, y, …: whole numbers on the sheet. */
  points: number[];
}

/** A drawing as it was read: sane numbers only. */
export interface Sheet {
  width: number;
  height: number;
  strokes: Stroke[];
}

const MOST_POINTS = 40_000;

export function write(strokes: readonly Stroke[]): Drawing {
  const operations = strokes.map(({ colour, width, points }) => ({ tool: 'stroke', colour, width, points }));
  return { operations, ...SHEET };
}

/** How large it is when it is sent. */
export function sizeOf(strokes: readonly Stroke[]): number {
  return new TextEncoder().encode(JSON.stringify(write(strokes))).length;
}

export function read(drawing: unknown): Sheet {
  const { operations, width, height } = (drawing ?? {}) as Partial<Drawing>;
  const side = (value: unknown, otherwise: number) => (isNumber(value) && value >= 1 && value <= 8192 ? value : otherwise);
  const sheet: Sheet = { width: side(width, SHEET.width), height: side(height, SHEET.height), strokes: [] };
  let left = MOST_POINTS;
  for (const operation of Array.isArray(operations) ? operations : []) {
    const stroke = strokeOf(operation, left);
    if (!stroke) continue;
    sheet.strokes.push(stroke);
    left -= stroke.points.length / 2;
  }
  return sheet;
}

function strokeOf(operation: unknown, most: number): Stroke | null {
  const { tool, colour, width, points } = (operation ?? {}) as Record<string, unknown>;
  if (tool !== 'stroke' || !Array.isArray(points)) return null;
  const numbers = points.slice(0, most * 2).filter(isNumber);
  if (numbers.length < 2) return null;
  return {
    colour: typeof colour === 'string' && /^#[0-9a-f]{6}$/i.test(colour) ? colour : COLOURS[0],
    width: isNumber(width) ? Math.min(Math.max(width, 1), 64) : WIDTHS[0],
    points: numbers.length % 2 === 0 ? numbers : numbers.slice(0, -1),
  };
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && Math.abs(value) <= 1e6;
}

/** Adds a point to a stroke, unless it is too near the last one to be seen. */
export function extend(stroke: Stroke, x: number, y: number): Stroke {
  const [lastX, lastY] = stroke.points.slice(-2);
  const px = Math.round(x);
  const py = Math.round(y);
  if (lastX !== undefined && lastY !== undefined && Math.hypot(px - lastX, py - lastY) < 2) return stroke;
  return { ...stroke, points: [...stroke.points, px, py] };
}

/** How long a replay takes: in step with what there is to see, never boring. Milliseconds. */
export function replayTime({ strokes }: Sheet): number {
  return Math.min(6000, Math.max(600, pointsOf(strokes) * 12));
}

/** What is there after a share (0 to 1) of a replay. */
export function upTo(sheet: Sheet, share: number): Stroke[] {
  let left = Math.ceil(pointsOf(sheet.strokes) * Math.min(Math.max(share, 0), 1));
  const shown: Stroke[] = [];
  for (const stroke of sheet.strokes) {
    if (left <= 0) break;
    const count = stroke.points.length / 2;
    shown.push(count <= left ? stroke : { ...stroke, points: stroke.points.slice(0, left * 2) });
    left -= count;
  }
  return shown;
}

function pointsOf(strokes: readonly Stroke[]): number {
  return strokes.reduce((sum, { points }) => sum + points.length / 2, 0);
}
