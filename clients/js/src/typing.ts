// Typing, both ways: what one says of oneself, one call a keystroke, and whom one sees typing.
import type { Timer } from './timer.js';

/** The server forgets a typist after 5 s: so it is told again before that. */
const AGAIN_AFTER = 3_000;
/** After this long without a keystroke one has stopped. */
const PAUSE = 4_000;
/** The server's word that somebody stopped may be lost. */
const FORGOTTEN_AFTER = 6_000;

/** Says that one types, seldom enough. */
export class Typist {
  private toldAt: number | undefined;
  private timer: Timer | undefined;

  constructor(private readonly tell: (event: 'typing_start' | 'typing_stop') => void) {}

  keystroke(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.stop(), PAUSE);
    if (this.toldAt !== undefined && Date.now() - this.toldAt < AGAIN_AFTER) return;
    this.toldAt = Date.now();
    this.tell('typing_start');
  }

  stop(): void {
    clearTimeout(this.timer);
    if (this.toldAt === undefined) return;
    this.toldAt = undefined;
    this.tell('typing_stop');
  }

  /** A message was sent, or the connection is gone: nothing has to be said. */
  forget(): void {
    clearTimeout(this.timer);
    this.toldAt = undefined;
  }
}

/** Somebody who types. */
export interface Typer {
  readonly userId: string;
  readonly displayName: string;
}

/** Who types. */
export class Typers {
  private readonly typing = new Map<string, Typer & { timer: Timer }>();

  constructor(private readonly changed: () => void) {}

  get list(): Typer[] {
    return [...this.typing.values()].map(({ userId, displayName }) => ({ userId, displayName }));
  }

  started({ userId, displayName }: Typer): void {
    clearTimeout(this.typing.get(userId)?.timer);
    const known = this.typing.has(userId);
    this.typing.set(userId, { userId, displayName, timer: setTimeout(() => this.stopped(userId), FORGOTTEN_AFTER) });
    if (!known) this.changed();
  }

  stopped(userId: string): void {
    clearTimeout(this.typing.get(userId)?.timer);
    if (this.typing.delete(userId)) this.changed();
  }

  clear(): void {
    for (const userId of [...this.typing.keys()]) this.stopped(userId);
  }
}
