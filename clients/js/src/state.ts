// What is known of a conversation, kept in step with the server: puts together the parts (timeline, members, unread, typing, view)
// and makes the snapshots. `parlor.ts` hands it the events, `syncer.ts` and `view.ts` what catching up brings, `conversation.ts` is
// what users of the client see of it.
import type { Change } from './change.js';
import type { Context } from './context.js';
import type { Unsubscribe } from './emitter.js';
import { isGone, ParlorError } from './error.js';
import { Members } from './members.js';
import { ReadMarker } from './reading.js';
import type { ConversationSnapshot, ConversationSummary } from './snapshot.js';
import { Derived, same, type Readable } from './store.js';
import type { Behind } from './syncer.js';
import { Timeline, type How } from './timeline.js';
import { Typers, Typist } from './typing.js';
import type { ConversationView, Member, Message, ServerEvents, SyncPage, User } from './types.js';
import { UnreadCount } from './unread.js';
import { View, type Joined, type Viewed } from './view.js';

export class ConversationState implements Readable<ConversationSnapshot>, Behind, Viewed {
  readonly id: string;

  private readonly context: Context;
  readonly timeline: Timeline;
  readonly unread: UnreadCount;
  readonly members: Members;
  private readonly typers: Typers;
  readonly typist: Typist;
  readonly reader: ReadMarker;
  readonly viewing: View;
  private view: ConversationView | null = null;
  private removed: ConversationSnapshot['removedBecause'] = null;
  private refreshing: Promise<void> | undefined;

  constructor(id: string, context: Context) {
    this.id = id;
    this.context = context;
    const { connection, random } = context;
    this.timeline = new Timeline({
      changed: () => this.outboxChanged(),
      behind: () => context.syncer.want(this),
      took: (message, how) => this.took(message, how),
      reset: () => this.refreshSoon(),
    });
    this.unread = new UnreadCount(this.timeline);
    this.members = new Members(() => this.touch());
    this.typers = new Typers(() => this.touch());
    this.typist = new Typist((event) => connection.tell(event, { conversationId: id }));
    this.reader = new ReadMarker(connection, id, ({ lastReadSeq, unreadCount, mentionCount }) => {
      this.unread.said(this.timeline.cursor ?? 0, lastReadSeq, unreadCount, mentionCount);
      this.touch();
    });
    this.viewing = new View(connection, random, this);
  }

  private readonly summaries = new Derived<ConversationSummary>((before) => this.summarize(before));
  private readonly snapshots = new Derived<ConversationSnapshot>((before) => this.snapshot(before));

  /** What a list shows of it. */
  get summary(): Readable<ConversationSummary> {
    return this.summaries;
  }

  /** What there is to see now. The same object until something changes. */
  readonly getSnapshot = (): ConversationSnapshot => this.snapshots.getSnapshot();

  /** Tells the listener whenever `getSnapshot` would give something else. */
  readonly subscribe = (listener: () => void): Unsubscribe => this.snapshots.subscribe(listener);

  /** Whether the newest messages are here. */
  get isReady(): boolean {
    return this.timeline.loaded && this.timeline.cursor !== null;
  }

  /** The newest messages are wanted from now on, also over reconnects. */
  want(): void {
    this.timelineWanted = true;
    if (!this.viewing.open) this.context.syncer.want(this);
  }

  /** The user has read up to here. */
  markRead(seq: number): void {
    if (seq <= this.unread.lastReadSeq) return;
    this.unread.readUpTo(seq);
    this.reader.mark(seq);
    this.touch();
  }

  /** Asks the server anew for everything but the messages. */
  refresh(): Promise<void> {
    this.refreshing ??= this.context.rest
      .get<{ conversation: ConversationView; members: Member[] }>(`/api/conversations/${this.id}`)
      .then(
        ({ conversation, members }) => {
          this.learn(conversation);
          this.members.load(members);
        },
        (thrown: unknown) => {
          const error = ParlorError.from(thrown);
          if (!isGone(error)) throw error;
          this.gone();
        },
      )
      .finally(() => (this.refreshing = undefined));
    return this.refreshing;
  }

  // ---- what the server says ----

  learn(view: ConversationView): void {
    if (this.view && view.seq < this.view.seq) return; // asked for before what is known
    this.view = view;
    if (this.removed) {
      this.removed = null;
      this.viewing.begin();
    }
    if (view.expiredSeq) this.timeline.expire(view.expiredSeq);
    this.unread.said(view.seq, view.lastReadSeq, view.unreadCount, view.mentionCount);
    if (view.lastMessage) this.timeline.offer(view.lastMessage);
    if (!this.timelineWanted) this.timeline.anchor(view.seq);
    this.touch();
  }

  /** What all members see alike changed. */
  overlay(shared: Partial<ConversationView>): void {
    if (!this.view) return;
    this.view = { ...this.view, ...shared, seq: Math.max(this.view.seq, shared.seq ?? 0) };
    this.touch();
  }

  change(change: Change): void {
    this.timeline.live(change);
    // A conversation of the list whose position is not known since the last connect.
    if (this.timeline.cursor === null && !this.timelineWanted) this.refreshSoon();
  }

  expire(expiredSeq: number): void {
    const exact = this.timeline.since(this.unread.lastReadSeq) !== undefined;
    this.timeline.expire(expiredSeq);
    if (!exact) this.refreshSoon();
  }

  read({ userId, lastReadSeq }: ServerEvents['message_read']): void {
    this.members.read(userId, lastReadSeq);
    if (userId === this.context.me()?.id) {
      if (!this.unread.readUpTo(lastReadSeq)) this.refreshSoon();
      this.touch();
    }
  }

  typed(typer: ServerEvents['user_typing'], typing: boolean): void {
    if (typer.userId === this.context.me()?.id) return; // on another device
    if (typing) this.typers.started(typer);
    else this.typers.stopped(typer.userId);
  }

  viewed(user: User, here: boolean): void {
    if (here) this.members.joined(user);
    else this.members.left(user.id);
  }

  memberChanged(user: User, belongs: boolean): void {
    if (belongs) this.members.added(user);
    else this.members.removed(user.id);
  }

  online(userId: string, online: boolean): void {
    this.members.online(userId, online);
  }

  /** A new connection: whoever is open is opened there, whoever knows something catches up. */
  connected(sameHistory: boolean): void {
    if (!sameHistory) {
      this.timeline.forget();
      this.unread.forget();
      this.reader.forget();
      if (this.view) this.view = { ...this.view, seq: 0, lastMessage: null };
    }
    if (this.removed) return;
    void this.reader.tell();
    if (this.viewing.open) void this.viewing.join();
    else if (this.timelineWanted) {
      this.context.syncer.want(this);
      this.refreshSoon();
    } else {
      this.unread.freeze(this.context.me()?.id);
      this.timeline.letGo();
    }
  }

  /** The connection is gone. */
  disconnected(): void {
    this.typers.clear();
    this.members.clearViewers();
    this.typist.forget();
  }

  gone(): void {
    this.end('removed');
  }

  /** It is no longer the user's. */
  end(reason: 'left' | 'removed' | 'deleted'): void {
    if (this.removed) return;
    this.removed = reason;
    this.viewing.end();
    this.timelineWanted = false;
    this.disconnected();
    this.context.syncer.forget(this);
    this.timeline.forget();
    this.context.outbox.close(this.id, new ParlorError('NOT_MEMBER', 'the conversation is no longer yours'));
    this.touch();
  }

  get isRemoved(): boolean {
    return this.removed !== null;
  }

  get hasView(): boolean {
    return this.view !== null;
  }

  /** The outbox has something else to show. */
  outboxChanged(): void {
    this.context.outbox.upTo(this.id, this.timeline.cursor ?? Infinity);
    this.touch();
  }

  // ---- catching up ----

  /** Whether its messages were ever asked for: then they are kept whole over reconnects. */
  private timelineWanted = false;

  /** A join is under way, which catches up too. */
  asking = false;

  startCatchUp(): number {
    return this.timeline.startCatchUp();
  }

  page(page: SyncPage): boolean {
    const more = this.timeline.page(page);
    if (!more) this.caughtUp();
    return more;
  }

  abandonCatchUp(): void {
    this.timeline.abandonCatchUp();
  }

  startJoin(): { after?: number } | undefined {
    this.timelineWanted = true;
    // One sync under way for a conversation: a join beside it only opens the view.
    if (this.timeline.catchingUp) return undefined;
    this.context.syncer.forget(this);
    this.asking = true;
    const from = this.timeline.startCatchUp();
    return this.timeline.loaded && this.timeline.cursor !== null ? { after: from } : {};
  }

  joined(answer: Joined, asked: { after?: number } | undefined): void {
    this.asking = false;
    this.learn(answer.conversation);
    this.members.load(answer.members);
    for (const { user, online } of answer.members) this.context.presence.learn({ userId: user.id, online, lastSeenAt: null });
    if (!asked) return;
    const fresh = asked.after === undefined;
    const { messages, seq, expiredSeq, hasMore } = answer;
    const page = { messages, seq, expiredSeq, hasMore: !fresh && hasMore, reset: fresh || answer.reset === true };
    if (this.timeline.page(page, fresh && !hasMore)) this.context.syncer.want(this);
    else this.caughtUp();
  }

  abandonJoin(): void {
    if (!this.asking) return;
    this.asking = false;
    this.timeline.abandonCatchUp();
  }

  private caughtUp(): void {
    const { cursor } = this.timeline;
    if (cursor !== null) this.context.outbox.upTo(this.id, cursor);
    this.touch();
  }

  private took(message: Message, how: How): void {
    this.context.outbox.seen(message);
    if (how === 'live') this.typers.stopped(message.sender.id);
    if (how !== 'past' && message.type === 'system' && message.content) this.noted(message, how === 'live');
  }

  private noted(message: Message, live: boolean): void {
    this.members.noted(message);
    const me = this.members.list.find(({ user }) => user.id === this.context.me()?.id);
    if (me && this.view && me.role !== this.view.role) {
      this.overlay({ role: me.role });
      this.refreshSoon(); // an admin sees more
    }
    // What came by catching up came without the events beside it.
    if (!live || !me) this.refreshSoon();
  }

  private refreshTimer: ReturnType<typeof setTimeout> | undefined;

  /** What only the server knows, asked once for whatever piles up. */
  private refreshSoon(): void {
    clearTimeout(this.refreshTimer);
    this.refreshTimer = setTimeout(() => void this.refresh().catch(() => undefined), 300);
  }

  // ---- snapshots ----

  private touch(): void {
    this.summaries.touch();
    this.snapshots.touch();
    this.context.onSummary();
  }

  private summarize(before: ConversationSummary | undefined): ConversationSummary {
    const { count, mentions } = this.unread.of(this.context.me()?.id);
    const summary: ConversationSummary = {
      id: this.id,
      view: this.view,
      lastMessage: this.timeline.newest,
      unread: count,
      mentions,
      lastReadSeq: this.unread.lastReadSeq,
      typers: sameTypers(before?.typers, this.typers.list),
    };
    const keys = Object.keys(summary) as (keyof ConversationSummary)[];
    return before && keys.every((key) => Object.is(before[key], summary[key])) ? before : summary;
  }

  private snapshot(before: ConversationSnapshot | undefined): ConversationSnapshot {
    return {
      ...this.summaries.getSnapshot(),
      status: this.removed ? 'removed' : this.isReady ? 'ready' : 'loading',
      removedBecause: this.removed,
      messages: same(before?.messages, this.timeline.visible()),
      pending: same(before?.pending, this.context.outbox.of(this.id)),
      hasOlder: this.timeline.hasOlder,
      hasNewer: this.timeline.hasNewer,
      members: same(before?.members, this.members.list),
      viewers: same(before?.viewers, this.members.viewers),
    };
  }
}

function sameTypers(before: ConversationSummary['typers'] | undefined, after: ConversationSummary['typers']): ConversationSummary['typers'] {
  const names = (typers: ConversationSummary['typers']) => typers.map(({ userId }) => userId).join(' ');
  return before && names(before) === names(after) ? before : after;
}
