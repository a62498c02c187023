// Paging through a conversation's past over REST, into its timeline. One page at a time for each direction: whoever scrolls asks
// many times for the same one.
import type { Rest } from './rest.js';
import type { At, Timeline } from './timeline.js';
import type { HistoryPage } from './types.js';

export class History {
  private readonly underWay = new Map<string, Promise<unknown>>();

  constructor(
    private readonly rest: Rest,
    private readonly timeline: Timeline,
    private readonly id: string,
  ) {}

  /** The page before what is shown; false when there is none. */
  older(limit: number): Promise<boolean> {
    return this.once('older', async () => {
      const oldest = this.timeline.visible()[0];
      if (!oldest || !this.timeline.hasOlder) return false;
      await this.read({ before: oldest }, { before: oldest.id, limit });
      return this.timeline.hasOlder;
    });
  }

  /** The page after what is shown; false when that reaches the newest message. */
  newer(limit: number): Promise<boolean> {
    return this.once('newer', async () => {
      const newest = this.timeline.visible().at(-1);
      if (!newest || !this.timeline.hasNewer) return false;
      await this.read({ after: newest }, { after: newest.id, limit });
      return this.timeline.hasNewer;
    });
  }

  /** The page around a message, which is shown instead of the newest. */
  around(messageId: string, limit: number): Promise<void> {
    return this.once(`around ${messageId}`, async () => {
      if (!this.timeline.show(messageId)) await this.read({ around: messageId }, { around: messageId, limit });
    });
  }

  private async read(at: At, query: Record<string, string | number>): Promise<void> {
    const reading = this.timeline.beginReading();
    try {
      const path = `/api/conversations/${this.id}/messages`;
      const page = await this.rest.get<HistoryPage>(path, { ...query, markRead: false });
      this.timeline.endReading(reading, at, page);
    } catch (error) {
      this.timeline.endReading(reading);
      throw error;
    }
  }

  private once<T>(what: string, run: () => Promise<T>): Promise<T> {
    const before = this.underWay.get(what);
    if (before) return before as Promise<T>;
    const page = run().finally(() => this.underWay.delete(what));
    this.underWay.set(what, page);
    return page;
  }
}
