// Catching up: asks the server what was missed, for many conversations in one request and never twice at once for one of them.
// What a page means is the timeline's to know.
import { backoff, pause } from './backoff.js';
import type { Connection } from './connection.js';
import { isGone, ParlorError } from './error.js';
import type { SyncPage } from './types.js';

/** Messages in a page: for one conversation as many as the server keeps apart from a reset, for many fewer. */
const PAGE_OF_ONE = 1000;
const PAGE_OF_MANY = 200;

/** What is caught up: a conversation. */
export interface Behind {
  readonly id: string;
  /** Whether it is being asked for by somebody else just now: then it says itself when there is more to ask. */
  readonly asking: boolean;
  startCatchUp(): number;
  /** True: ask again. */
  page(page: SyncPage): boolean;
  abandonCatchUp(): void;
  /** It is no longer the user's. */
  gone(error: ParlorError): void;
}

export class Syncer {
  private readonly wanted = new Set<Behind>();
  private running = false;

  constructor(
    private readonly connection: Connection,
    private readonly random: () => number,
    /** An answer that belongs to another history. */
    private readonly onEpoch: (epoch: string) => void,
  ) {
  }

  /** This one has to catch up, now or as soon as there is a connection. */
  want(behind: Behind): void {
    this.wanted.add(behind);
    queueMicrotask(() => void this.run());
  }

  forget(behind: Behind): void {
    this.wanted.delete(behind);
  }

  /** Asks for whoever waits, if there is a connection. */
  async run(): Promise<void> {
    if (this.running) return;
    this.running = true;
    for (let failures = 0; this.wanted.size > 0 && this.connection.connected; ) {
      const batch = [...this.wanted].slice(0, this.connection.ready?.limits.syncCursors ?? 1000);
      for (const behind of batch) this.wanted.delete(behind);
      try {
        await this.ask(batch.filter((behind) => !behind.asking));
        failures = 0;
      } catch (error) {
        for (const behind of batch) {
          behind.abandonCatchUp();
          this.wanted.add(behind);
        }
        if (!this.connection.connected) break;
        await pause(ParlorError.from(error).retryAfterMs ?? backoff(failures++, this.random) + 100);
      }
    }
    this.running = false;
  }

  private async ask(batch: Behind[]): Promise<void> {
    if (batch.length === 0) return;
    const cursors = batch.map((behind) => ({ conversationId: behind.id, seq: behind.startCatchUp() }));
    const limit = batch.length === 1 ? PAGE_OF_ONE : PAGE_OF_MANY;
    const answer = await this.connection.request('sync', { cursors, limit });
    if (answer.epoch !== this.connection.ready?.epoch) {
      for (const behind of batch) behind.abandonCatchUp();
      return this.onEpoch(answer.epoch);
    }
    batch.forEach((behind, at) => {
      const part = answer.conversations[at];
      if (!part || 'error' in part) {
        behind.abandonCatchUp();
        const error = ParlorError.from(part?.error);
        if (isGone(error)) behind.gone(error);
        else this.wanted.add(behind);
      } else if (behind.page(part)) {
        this.wanted.add(behind);
      }
    });
  }
}
