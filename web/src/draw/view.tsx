// A drawing in a message, and its replay.
import type { Drawing } from '@parlor/client';
import { useEffect, useMemo, useRef, useState } from 'react';
import { ReplayIcon } from '../ui/icons.js';
import { read, replayTime, SHEET, upTo } from './drawing.js';
import { paint } from './paint.js';

/** Larger sheets are drawn smaller. */
const MOST = 480;

export function DrawingView({ drawing }: { drawing: Drawing }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const sheet = useMemo(() => read(drawing), [drawing]);
  const [replay, setReplay] = useState(0);
  const factor = Math.min(1, MOST / sheet.width, SHEET.height / sheet.height);
  const [width, height] = [Math.round(sheet.width * factor), Math.round(sheet.height * factor)];

  useEffect(() => {
    const shrink = (strokes: ReturnType<typeof upTo>) =>
      factor === 1 ? strokes : strokes.map((one) => ({ ...one, width: one.width * factor, points: one.points.map((value) => value * factor) }));
    const show = (share: number) => canvas.current && paint(canvas.current, shrink(upTo(sheet, share)), width, height);
    if (replay === 0 || matchMedia('(prefers-reduced-motion: reduce)').matches) return void show(1);
    const begin = performance.now();
    const time = replayTime(sheet);
    let frame = 0;
    const step = (now: number) => {
      const share = (now - begin) / time;
      show(share);
      if (share < 1) frame = requestAnimationFrame(step);
    };
    frame = requestAnimationFrame(step);
    return () => cancelAnimationFrame(frame);
  }, [sheet, replay, factor, width, height]);

  return (
    <figure className="drawing">
      <canvas ref={canvas} role="img" aria-label="Drawing" data-testid="drawing" style={{ aspectRatio: `${width} / ${height}`, width }} />
      <button type="button" className="round replay" aria-label="Replay" title="Replay" onClick={() => setReplay(replay + 1)}>
        <ReplayIcon />
      </button>
    </figure>
  );
}
