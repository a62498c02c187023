// Marking as read: one request under way, the furthest position wins, and what could not be said is said after the next connect.
import { pause } from './backoff.js';
import type { Connection } from './connection.js';
import { ParlorError } from './error.js';
import type { ReadState } from './types.js';

export class ReadMarker {
  private wanted = 0;
  private told = 0;
  private telling = false;

  constructor(
    private readonly connection: Connection,
    private readonly conversationId: string,
    private readonly answered: (state: ReadState) => void,
  ) {}

  /** Up to here. */
  mark(seq: number): void {
    this.wanted = Math.max(this.wanted, seq);
    void this.tell();
  }

  /** Positions of another history mean nothing. */
  forget(): void {
    this.wanted = this.told = 0;
  }

  async tell(): Promise<void> {
    if (this.telling) return;
    this.telling = true;
    while (this.wanted > this.told && this.connection.connected) {
      const seq = this.wanted;
      try {
        this.answered(await this.connection.request('mark_read', { conversationId: this.conversationId, seq }));
        this.told = Math.max(this.told, seq);
      } catch (thrown) {
        const error = ParlorError.from(thrown);
        if (!error.retryable) this.told = Math.max(this.told, seq);
        else if (this.connection.connected) await pause(error.retryAfterMs ?? 1000);
      }
    }
    this.telling = false;
  }
}
