// Stretches of history against the plainest model: a set of positions.
import { expect, test } from 'vitest';
import { Segments } from '../../src/segments.js';
import { Random } from '../help/random.js';

test.each(Array.from({ length: 50 }, (_, seed) => seed + 1))('seed %i', (seed) => {
  const random = new Random(seed);
  const segments = new Segments();
  const model = new Set<number>();
  for (let step = 0; step < 40; step += 1) {
    if (random.chance(0.15)) {
      const below = random.int(60);
      segments.cutBelow(below);
      for (const seq of model) if (seq <= below) model.delete(seq);
    } else {
      const from = random.int(100);
      const to = from + random.int(12) - 1;
      segments.add(from, to);
      for (let seq = from; seq <= to; seq += 1) model.add(seq);
    }
    for (let seq = 0; seq < 115; seq += 1) expect(segments.of(seq) !== undefined, `${seq}`).toBe(model.has(seq));
    const all = segments.all;
    all.forEach(({ from, to }, at) => {
      expect(from).toBeLessThanOrEqual(to);
      expect(from).toBeGreaterThan((all[at - 1]?.to ?? -10) + 1);
    });
  }
});
