// Drawings: what is written can be read, what others send is read with suspicion, a replay shows all of it in the end.
import { describe, expect, it } from 'vitest';
import { COLOURS, extend, read, replayTime, sizeOf, upTo, write, type Stroke } from '../src/draw/drawing.js';

const stroke = (...points: number[]): Stroke => ({ colour: COLOURS[1], width: 6, points });

describe('a drawing', () => {
  it('is read as it was written', () => {
    const strokes = [stroke(1, 2, 3, 4), stroke(5, 6)];
    expect(read(JSON.parse(JSON.stringify(write(strokes))))).toEqual({ width: 480, height: 320, strokes });
    expect(sizeOf(strokes)).toBe(JSON.stringify(write(strokes)).length);
  });

  it('of whatever kind does no harm', () => {
    for (const hostile of [null, 7, 'x', [], {}, { operations: 'x' }, { operations: [null, 7, [], {}, { tool: 'stroke' }] }]) {
      expect(read(hostile).strokes).toEqual([]);
    }
    const odd = { tool: 'stroke', colour: 'url(evil)', width: 1e5, points: [1, 2, 'x', Infinity, 3, 4, 5] };
    expect(read({ operations: [odd], width: -1, height: NaN })).toEqual({
      width: 480,
      height: 320,
      strokes: [{ colour: COLOURS[0], width: 64, points: [1, 2, 3, 4] }],
    });
  });

  it('has no more points than a page can bear', () => {
    const points = Array.from({ length: 60_000 }, () => 1);
    const total = read({ operations: [{ tool: 'stroke', points }, { tool: 'stroke', points }] }).strokes.reduce((sum, one) => sum + one.points.length, 0);
    expect(total).toBe(80_000);
  });

  it('leaves out points that are not seen', () => {
    const one = extend(stroke(), 10.4, 10);
    expect(extend(one, 11, 10)).toBe(one);
    expect(extend(one, 14, 10).points).toEqual([10, 10, 14, 10]);
  });
});

describe('a replay', () => {
  const sheet = read(write([stroke(0, 0, 10, 10), stroke(20, 20, 30, 30)]));
  it('begins empty and ends whole', () => {
    expect(upTo(sheet, 0)).toEqual([]);
    expect(upTo(sheet, 1)).toEqual(sheet.strokes);
    expect(upTo(sheet, 9)).toEqual(sheet.strokes);
  });
  it('draws in the order of the strokes', () => {
    expect(upTo(sheet, 0.5)).toEqual([sheet.strokes[0]]);
    expect(upTo(sheet, 0.75)).toEqual([sheet.strokes[0], stroke(20, 20)]);
  });
  it('takes no longer than one likes to look', () => {
    expect(replayTime(sheet)).toBe(600);
    expect(replayTime(read(write([stroke(...Array.from({ length: 9000 }, (_, at) => at))])))).toBe(6000);
  });
});
