// What is known of one conversation's history, and the rules that keep it whole: the cursor, live changes in their order, pages
// of `sync`, pages of history. No gap, no double, never back. Does no I/O: `syncer.ts` asks, `conversation.ts` listens.
import { changed, type Change } from './change.js';
import { requote, unquote } from './quotes.js';
import { Segments, type Segment } from './segments.js';
import type { HistoryPage, Message, SyncPage } from './types.js';

/** Live changes that are kept while a page is awaited. Beyond that they are dropped, and asked for afterwards. */
const HELD_MOST = 1000;

/** Asks for the newest messages: beyond every position. */
export const BEYOND = 4_294_967_295;

/** Where a page of history was asked for. */
export type At = { before: Message } | { after: Message } | { around: string };

/** Pages under way: what they bring is only good for the history that it was asked of. */
export interface Reading {
  readonly generation: number;
  readonly cursor: number;
}

interface CatchUp {
  seq: number | null;
  messages: Message[];
  readonly heard: number;
}

export type How = 'live' | 'missed' | 'past';

export interface TimelineEvents {
  /** Something visible changed. */
  changed(): void;
  /** There are changes that did not come: `sync` is to bring them. */
  behind(): void;
  /** A message is here that was not: it came as an event, by catching up, or with a page of the past. */
  took(message: Message, how: How): void;
  /** Too much was missed: what was known is forgotten, and what was counted is void. */
  reset(): void;
}

export class Timeline {
  /** The position up to which everything is known; null before the first page. */
  cursor: number | null = null;
  /** Everything up to here was removed by retention. */
  expired = 0;
  /** Whether a page of the newest messages was ever loaded. */
  loaded = false;
  /** The newest message, held or not. */
  newest: Message | null = null;

  private readonly byId = new Map<string, Message>();
  private readonly coverage = new Segments();
  private readonly held = new Map<number, Change>();
  /** The highest position that was heard of. */
  private heard = 0;
  private catching: CatchUp | undefined;
  private generation = 0;
  /** A position in the stretch that is shown; null for the newest one. */
  private window: number | null = null;
  /** Changes of messages that are not here, for pages that were asked for before them. */
  private missed: Change[] = [];
  private reading = 0;

  constructor(private readonly events: TimelineEvents) {}

  // ---- live ----

  /** A change that came as an event, in whatever order. */
  live(change: Change): void {
    if (change.seq <= this.expired) return;
    this.heard = Math.max(this.heard, change.seq);
    if (this.cursor !== null && change.seq <= this.cursor) return;
    if (this.held.size < HELD_MOST || change.seq === (this.cursor ?? 0) + 1) this.held.set(change.seq, change);
    if (this.cursor === null || this.catching) return;
    this.drain();
    this.checkBehind();
  }

  /** Begins at this position, knowing nothing of what is before it. */
  anchor(seq: number): void {
    if (this.cursor !== null || this.catching) return;
    this.cursor = seq;
    this.drain();
    this.checkBehind();
  }

  private drain(): void {
    for (let next; this.cursor !== null && (next = this.held.get(this.cursor + 1)); ) {
      this.advance(next.seq);
      if (next.kind === 'message') this.take(next.message, 'live');
      else this.patch(next);
      this.events.changed();
    }
    for (const seq of this.held.keys()) if (this.cursor !== null && seq <= this.cursor) this.held.delete(seq);
  }

  private advance(seq: number): void {
    const before = this.cursor ?? 0;
    if (seq <= before) return;
    this.coverage.add(before + 1, seq);
    this.cursor = seq;
  }

  private checkBehind(): void {
    if (this.cursor !== null && this.heard > this.cursor) this.events.behind();
  }

  // ---- catching up ----

  /** A sync is about to be asked for; from where. From now on live changes wait. */
  startCatchUp(): number {
    this.catching ??= { seq: this.loaded ? this.cursor : null, messages: [], heard: this.heard };
    return this.catching.seq ?? BEYOND;
  }

  get catchingUp(): boolean {
    return this.catching !== undefined;
  }

  /**
   * A page of it came. True: ask again, from where `startCatchUp` says. `complete`: a reset page holds everything that there is.
   */
  page(page: SyncPage, complete = false): boolean {
    const catching = this.catching;
    if (!catching) return false;
    if (page.expiredSeq) this.expire(page.expiredSeq);
    if (page.reset || catching.seq === null) {
      this.catching = undefined;
      this.startOver(page, complete);
    } else {
      catching.messages.push(...page.messages);
      catching.seq = Math.max(catching.seq, page.seq);
      if (page.hasMore) return true;
      this.catching = undefined;
      const before = this.cursor;
      this.advance(catching.seq);
      for (const message of catching.messages) this.take(message, 'missed');
      // The server was asked after these were heard of, and knows of nothing: nor shall we.
      if (this.cursor === before && this.cursor !== null && catching.heard > this.cursor) this.heard = this.cursor;
    }
    this.drain();
    this.events.changed();
    this.checkBehind();
    return false;
  }

  /** No page will come. What came live meanwhile and fits is taken. */
  abandonCatchUp(): void {
    if (!this.catching) return;
    this.catching = undefined;
    this.drain();
  }

  private startOver(page: SyncPage, complete: boolean): void {
    const known = this.cursor !== null || this.byId.size > 0;
    this.clear();
    this.loaded = true;
    this.cursor = page.seq;
    const oldest = page.messages[0];
    if (oldest) this.coverage.add(complete ? 1 : oldest.seq, Math.max(page.seq, oldest.seq));
    for (const message of page.messages) this.take(message, 'past');
    if (known) this.events.reset();
  }

  /** Another history: nothing that is known means anything any more. */
  forget(): void {
    this.clear();
    this.newest = null;
    this.letGo();
  }

  /** The same history, but nobody follows it any more: only the newest message is kept, for lists. */
  letGo(): void {
    const { newest } = this;
    this.clear();
    this.newest = newest;
    this.loaded = false;
    this.catching = undefined;
    this.held.clear();
    this.heard = 0;
    this.cursor = null;
    this.events.changed();
  }

  private clear(): void {
    this.generation += 1;
    this.byId.clear();
    this.coverage.clear();
    this.missed = [];
    this.window = null;
    this.newest = null;
  }

  // ---- history ----

  /** A page of history is about to be asked for. Every call is followed by one of `endReading`. */
  beginReading(): Reading {
    this.reading += 1;
    return { generation: this.generation, cursor: this.cursor ?? 0 };
  }

  /** The page came (or did not). False: what it was asked of is forgotten, and so is it. */
  endReading(reading: Reading, at?: At, page?: HistoryPage): boolean {
    this.reading -= 1;
    const fits = reading.generation === this.generation && this.cursor !== null;
    if (fits && at && page) this.takePage(reading, at, page);
    if (this.reading === 0) this.missed = [];
    return fits;
  }

  private takePage(reading: Reading, at: At, page: HistoryPage): void {
    const cursor = this.cursor ?? 0;
    const first = page.messages[0]?.seq;
    const last = page.messages.at(-1)?.seq;
    let from: number | undefined;
    let to: number | undefined;
    if ('before' in at) {
      to = at.before.seq;
      from = page.hasMore ? first : 1;
    } else if ('after' in at) {
      from = at.after.seq;
      to = page.hasMoreAfter ? last : Math.max(reading.cursor, last ?? 0);
    } else {
      from = page.hasMore ? first : 1;
      to = page.hasMoreAfter ? last : Math.max(reading.cursor, last ?? 0);
      const wanted = page.messages.find((message) => message.id === at.around);
      if (wanted) this.window = wanted.seq;
    }
    if (from !== undefined && to !== undefined) this.coverage.add(Math.max(from, this.expired + 1), Math.min(to, cursor));
    for (const message of page.messages) {
      if (message.seq > cursor) continue; // live will bring it
      this.take(this.missed.reduce((form, change) => (concerns(change, form.id) ? changed(form, change) : form), message), 'past');
    }
    this.events.changed();
  }

  /** Shows the newest messages again, after a jump. */
  showNewest(): void {
    this.window = null;
    this.events.changed();
  }

  /** Whether this message is in a stretch that is here; if so, that one is shown. */
  show(id: string): boolean {
    const message = this.byId.get(id);
    if (!message) return false;
    this.window = message.seq;
    this.events.changed();
    return true;
  }

  // ---- retention ----

  /** Everything up to here was removed. */
  expire(seq: number): void {
    if (seq <= this.expired) return;
    this.expired = seq;
    this.coverage.cutBelow(seq);
    if (this.cursor !== null && this.cursor < seq) this.cursor = seq; // what is gone need not be asked for
    if (this.window !== null && this.window <= seq) this.window = null;
    if (this.newest && this.newest.seq <= seq) this.newest = null;
    for (const message of [...this.byId.values()]) {
      if (message.seq <= seq) this.byId.delete(message.id);
      else this.byId.set(message.id, unquote(message, seq));
    }
    if (!this.catching) this.drain();
    this.events.changed();
  }

  // ---- looking ----

  get(id: string): Message | undefined {
    return this.byId.get(id);
  }

  /** The stretch that is shown, oldest first. */
  visible(): Message[] {
    const shown = this.shown();
    return shown ? this.within(shown.from, shown.to) : [];
  }

  get hasOlder(): boolean {
    const shown = this.shown();
    return shown !== undefined && shown.from > this.expired + 1;
  }

  get hasNewer(): boolean {
    const shown = this.shown();
    return shown !== undefined && this.cursor !== null && shown.to < this.cursor;
  }

  /** The messages after `seq` up to the newest; undefined when not all of them are here. */
  since(seq: number): Message[] | undefined {
    if (this.cursor === null) return undefined;
    if (seq >= this.cursor) return [];
    const newest = this.coverage.of(this.cursor);
    return newest && newest.from <= Math.max(seq, this.expired) + 1 ? this.within(seq + 1, this.cursor) : undefined;
  }

  /** What is here of the messages after `seq`. */
  visibleSince(seq: number): Message[] {
    return this.within(seq + 1, this.cursor ?? 0);
  }

  private shown(): Segment | undefined {
    return this.coverage.of(this.window ?? this.cursor ?? 0) ?? (this.cursor === null ? undefined : this.coverage.of(this.cursor));
  }

  private within(from: number, to: number): Message[] {
    const messages = [...this.byId.values()].filter(({ seq }) => from <= seq && seq <= to);
    return messages.sort((a, b) => a.seq - b.seq);
  }

  /** A message whose newest form came some other way: the answer to a request, the list of conversations. */
  offer(message: Message): void {
    if (message.seq <= this.expired) return;
    if (this.byId.has(message.id)) this.take(message, 'past');
    else if (!this.newest || message.seq > this.newest.seq) this.newest = message;
    else if (message.id === this.newest.id && message.changeSeq > this.newest.changeSeq) this.newest = message;
    this.events.changed();
  }

  // ---- forms ----

  /** The newer form of a message wins; one outside of what is here only changes quotes. */
  private take(message: Message, how: How): void {
    if (message.seq <= this.expired) return; // a page that was read before retention took it
    const had = this.byId.get(message.id);
    if (had && had.changeSeq >= message.changeSeq) return;
    if (had || this.coverage.of(message.seq)) {
      const original = message.replyTo && this.byId.get(message.replyTo.id);
      this.byId.set(message.id, original ? requote(message, original) : message);
    } else {
      this.miss({ kind: 'message', seq: message.changeSeq, message });
    }
    this.follow(message);
    if (!had && this.byId.has(message.id)) this.events.took(message, how);
  }

  /** A change of a message that is told without its whole form. */
  private patch(change: Exclude<Change, { kind: 'message' }>): void {
    const had = this.byId.get(change.messageId);
    if (had) this.take(changed(had, change), 'live');
    else {
      this.miss(change);
      if (this.newest?.id === change.messageId) this.newest = changed(this.newest, change);
      if (change.kind === 'deleted') this.requoteAll((message) => dequote(message, change.messageId));
    }
  }

  private miss(change: Change): void {
    if (this.reading > 0) this.missed.push(change);
  }

  private follow(message: Message): void {
    const known = this.newest;
    const newer = known && message.id === known.id && message.changeSeq > known.changeSeq;
    if (!known || message.seq > known.seq || newer) this.newest = this.byId.get(message.id) ?? message;
    if (message.editedAt || message.deletedAt) this.requoteAll((other) => requote(other, message));
  }

  private requoteAll(newer: (message: Message) => Message): void {
    for (const message of this.byId.values()) if (message.replyTo) this.byId.set(message.id, newer(message));
  }
}

function concerns(change: Change, id: string): boolean {
  return change.kind === 'message' ? change.message.id === id : change.messageId === id;
}

function dequote(message: Message, id: string): Message {
  return message.replyTo?.id === id ? { ...message, replyTo: null } : message;
}
