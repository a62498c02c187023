// Puts strokes on a canvas, as sharp as the screen is.
import type { Stroke } from './drawing.js';

export function paint(canvas: HTMLCanvasElement, strokes: readonly Stroke[], width: number, height: number): void {
  const scale = Math.min(devicePixelRatio || 1, 2);
  const context = canvas.getContext('2d');
  if (!context) return;
  const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== w) canvas.width = w;
  if (canvas.height !== h) canvas.height = h;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  context.lineCap = 'round';
  context.lineJoin = 'round';
  for (const { colour, width, points } of strokes) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    const [x = 0, y = 0] = points;
    context.moveTo(x, y);
    if (points.length === 2) context.lineTo(x + 0.01, y); // a dot
    for (let at = 2; at < points.length; at += 2) context.lineTo(points[at] ?? 0, points[at + 1] ?? 0);
    context.stroke();
  }
}
