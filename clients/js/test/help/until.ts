// Waiting for what is to be seen, rather than for time to pass.
import type { Readable } from '../../src/index.js';

/** The first snapshot that fits, now or later; after a while, a failure that shows the last one. */
export function until<T>(readable: Readable<T>, fits: (value: T) => boolean, within = 20_000): Promise<T> {
  return new Promise((resolve, reject) => {
    const check = () => {
      const value = readable.getSnapshot();
      if (!fits(value)) return;
      clearTimeout(timer);
      stop();
      resolve(value);
    };
    const stop = readable.subscribe(check);
    const timer = setTimeout(() => {
      stop();
      reject(new Error(`never came; the last was ${JSON.stringify(readable.getSnapshot(), null, 1).slice(0, 3000)}\n${fits}`));
    }, within);
    check();
  });
}
