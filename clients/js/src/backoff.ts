// How long to wait before the next attempt: full jitter, so that clients that lost their server together do not come back
// together.

/** Milliseconds: anything from 0 to the bound, which doubles with each failure. */
export function backoff(failures: number, random: () => number, base = 500, most = 15_000): number {
  return Math.round(random() * Math.min(most, base * 2 ** Math.min(failures, 16)));
}

/** A pause that a test's clock can pass. */
export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
