// Drawing by pointer: strokes on a sheet, taken back one by one, sent as a message.
import type { Drawing } from '@parlor/client';
import { useEffect, useRef, useState, type PointerEvent } from 'react';
import { Dialog } from '../ui/dialog.js';
import { tell } from '../ui/notice.js';
import { COLOURS, extend, MOST_BYTES, SHEET, sizeOf, WIDTHS, write, type Stroke } from './drawing.js';
import { paint } from './paint.js';

const COLOUR_NAMES = ['Ink', 'Blue', 'Red', 'Green', 'Orange', 'Violet'];
const WIDTH_NAMES = ['Fine', 'Medium', 'Broad'];

export function DrawDialog({ onClose, onSend }: { onClose: () => void; onSend: (drawing: Drawing) => void }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const current = useRef<Stroke | null>(null);
  const [strokes, setStrokes] = useState<Stroke[]>([]);
  const [colour, setColour] = useState<string>(COLOURS[0]);
  const [width, setWidth] = useState<number>(WIDTHS[1]);

  useEffect(() => {
    if (canvas.current) paint(canvas.current, strokes, SHEET.width, SHEET.height);
  }, [strokes]);

  /** Where a pointer is on the sheet, whatever its size on the screen. */
  function place({ clientX, clientY, currentTarget }: PointerEvent): [number, number] {
    const box = currentTarget.getBoundingClientRect();
    const bound = (value: number, most: number) => Math.min(Math.max(value, 0), most);
    return [
      bound(((clientX - box.left) / box.width) * SHEET.width, SHEET.width),
      bound(((clientY - box.top) / box.height) * SHEET.height, SHEET.height),
    ];
  }

  function down(event: PointerEvent<HTMLCanvasElement>) {
    if (event.button !== 0) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    current.current = extend({ colour, width, points: [] }, ...place(event));
    paint(event.currentTarget, [...strokes, current.current], SHEET.width, SHEET.height);
  }

  function move(event: PointerEvent<HTMLCanvasElement>) {
    if (!current.current) return;
    current.current = extend(current.current, ...place(event));
    paint(event.currentTarget, [...strokes, current.current], SHEET.width, SHEET.height);
  }

  function up() {
    const stroke = current.current;
    current.current = null;
    if (!stroke) return;
    const next = [...strokes, stroke];
    if (sizeOf(next) > MOST_BYTES) {
      tell('The drawing is full.');
      setStrokes([...strokes]);
    } else setStrokes(next);
  }

  return (
    <Dialog title="Draw" onClose={onClose} wide>
      <canvas
        ref={canvas}
        className="sheet"
        data-testid="drawing-canvas"
        role="img"
        aria-label={`Sheet with ${strokes.length} strokes; drawing needs a pointer`}
        onPointerDown={down}
        onPointerMove={move}
        onPointerUp={up}
        onPointerCancel={up}
      />
      <div className="draw-tools">
        <fieldset className="swatches" role="radiogroup" aria-label="Colour">
          {COLOURS.map((one, at) => (
            <label key={one} className={`swatch ink-${at}`}>
              <input type="radio" name="colour" aria-label={COLOUR_NAMES[at]} checked={one === colour} onChange={() => setColour(one)} />
            </label>
          ))}
        </fieldset>
        <fieldset className="swatches" role="radiogroup" aria-label="Width">
          {WIDTHS.map((one, at) => (
            <label key={one} className={`swatch nib-${at}`}>
              <input type="radio" name="width" aria-label={WIDTH_NAMES[at]} checked={one === width} onChange={() => setWidth(one)} />
            </label>
          ))}
        </fieldset>
      </div>
      <div className="actions">
        <button type="button" disabled={strokes.length === 0} onClick={() => setStrokes(strokes.slice(0, -1))}>
          Undo
        </button>
        <button type="button" disabled={strokes.length === 0} onClick={() => setStrokes([])}>
          Clear
        </button>
        <button
          type="button"
          className="primary"
          disabled={strokes.length === 0}
          onClick={() => {
            onSend(write(strokes));
            onClose();
          }}
        >
          Send drawing
        </button>
      </div>
    </Dialog>
  );
}
