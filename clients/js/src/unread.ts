// How much of a conversation is unread: counted from the messages where all of them are here, otherwise what the server said
// last and what came since.
import type { Timeline } from './timeline.js';
import type { Message } from './types.js';

/** As far as the server counts. */
const MOST = 10_000;

export interface Unread {
  /** Messages of others behind the read cursor, neither deleted nor the server's. */
  readonly count: number;
  /** Those among them that mention the user. */
  readonly mentions: number;
}

export class UnreadCount {
  /** Up to where the user has read. */
  lastReadSeq = 0;
  /** What the server said, as of this position. */
  private base = { seq: 0, count: 0, mentions: 0 };

  constructor(private readonly timeline: Timeline) {}

  /** The server's word, as of position `seq`. */
  said(seq: number, lastReadSeq: number, count: number, mentions: number): void {
    if (lastReadSeq < this.lastReadSeq) return;
    this.lastReadSeq = lastReadSeq;
    this.base = { seq, count, mentions };
  }

  /** What is counted now stands until the server says more: the messages it was counted from are let go of. */
  freeze(userId: string | undefined): void {
    this.base = { seq: this.timeline.cursor ?? this.base.seq, ...this.of(userId) };
  }

  /** Another history. */
  forget(): void {
    this.lastReadSeq = 0;
    this.base = { seq: 0, count: 0, mentions: 0 };
  }

  /** The user has read up to here, as far as this client knows; false when only the server can say what is left. */
  readUpTo(seq: number): boolean {
    if (seq <= this.lastReadSeq) return true;
    this.lastReadSeq = seq;
    return this.timeline.since(seq) !== undefined;
  }

  of(userId: string | undefined): Unread {
    const counts = (message: Message) => message.sender.id !== userId && message.type !== 'system' && !message.deletedAt;
    const whole = this.timeline.since(this.lastReadSeq);
    const base = whole ? { count: 0, mentions: 0 } : this.base;
    const messages = whole ?? this.timeline.visibleSince(Math.max(this.base.seq, this.lastReadSeq));
    const unread = messages.filter(counts);
    const mentions = unread.filter((message) => userId !== undefined && message.mentions.includes(userId));
    return { count: Math.min(base.count + unread.length, MOST), mentions: Math.min(base.mentions + mentions.length, MOST) };
  }
}
