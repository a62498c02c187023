// A conversation as an object: what one does in it, and what one sees of it. Puts together the parts (timeline, view, history,
// outbox, members, typing); `parlor.ts` hands it the events of the server.
import type { Change } from './change.js';
import type { Context } from './context.js';
import type { Unsubscribe } from './emitter.js';
import { isGone, ParlorError } from './error.js';
import { History } from './history.js';
import { Members } from './members.js';
import type { PendingMessage } from './outbox.js';
import { ReadMarker } from './reading.js';
import type { ConversationSnapshot, ConversationSummary } from './snapshot.js';
import { Derived, same, type Readable } from './store.js';
import { Timeline, type How } from './timeline.js';
import { Typers, Typist } from './typing.js';
import type { ConversationView, Drawing, Member, Message, Reaction, Receipt, Role, ServerEvents, SyncPage, User } from './types.js';
import { UnreadCount } from './unread.js';
import { View, type Joined } from './view.js';

/** How many messages a page of history has. */
const PAGE = 50;

/** What to send beside the content. */
export interface SendOptions {
  /** The message that it answers. */
  replyTo?: string | Message;
}

/** What to change of a conversation; `null` turns a policy off. */
export interface SettingsChange {
  name?: string;
  maxMembers?: number | null;
  retentionSeconds?: number | null;
  slowModeSeconds?: number | null;
  password?: string | null;
}

export class Conversation implements Readable<ConversationSnapshot> {
  readonly id: string;

  private readonly context: Context;
  private readonly timeline: Timeline;
  private readonly unread: UnreadCount;
  private readonly history: History;
  private readonly members: Members;
  private readonly typers: Typers;
  private readonly typist: Typist;
  private readonly reader: ReadMarker;
  private readonly viewing: View;
  private view: ConversationView | null = null;
  private removed: ConversationSnapshot['removedBecause'] = null;
  private refreshing: Promise<void> | undefined;

  /** Made by `Parlor.conversation`, once for each id. */
  constructor(id: string, context: Context) {
    this.id = id;
    this.context = context;
    const { connection, random, rest } = context;
    this.timeline = new Timeline({
      changed: () => this.outboxChanged(),
      behind: () => context.syncer.want(this),
      took: (message, how) => this.took(message, how),
      reset: () => this.refreshSoon(),
    });
    this.unread = new UnreadCount(this.timeline);
    this.history = new History(rest, this.timeline, id);
    this.members = new Members(() => this.touch());
    this.typers = new Typers(() => this.touch());
    this.typist = new Typist((event) => connection.tell(event, { conversationId: id }));
    this.reader = new ReadMarker(connection, id, ({ lastReadSeq, unreadCount, mentionCount }) => {
      this.unread.said(this.timeline.cursor ?? 0, lastReadSeq, unreadCount, mentionCount);
      this.touch();
    });
    this.viewing = new View(connection, random, this);
  }

  // ---- looking ----

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

  /**
   * Shows it: loads the newest messages and the members, shows the user to the others as a viewer, and gets typing, until
   * what this returns is called. Messages come whether it is open or not.
   */
  open(): Unsubscribe {
    return this.viewing.hold();
  }

  /** A message that is here. */
  get(messageId: string): Message | undefined {
    return this.timeline.get(messageId);
  }

  /** The members who have read up to this message, beside its sender. */
  readBy(message: Message): Member[] {
    return this.members.list.filter(({ user, lastReadSeq }) => user.id !== message.sender.id && lastReadSeq >= message.seq);
  }

  // ---- history ----

  /** Loads older messages; false when there are no more behind them. */
  async loadOlder(limit = PAGE): Promise<boolean> {
    await this.ready();
    return this.history.older(limit);
  }

  /** After a jump: loads newer messages; false when they reach the newest. */
  async loadNewer(limit = PAGE): Promise<boolean> {
    await this.ready();
    return this.history.newer(limit);
  }

  /** Jumps to a message: `messages` is the stretch around it from now on. */
  async jumpTo(messageId: string, limit = PAGE): Promise<void> {
    await this.ready();
    await this.history.around(messageId, limit);
  }

  /** Shows the newest messages again. */
  jumpToNewest(): void {
    this.timeline.showNewest();
  }

  /** Resolves once the newest messages are there. Loads them without opening the conversation, if need be. */
  async ready(): Promise<void> {
    if (this.timeline.loaded && this.timeline.cursor !== null) return;
    await new Promise<void>((resolve, reject) => {
      const stop = this.subscribe(() => check());
      const check = () => {
        const { status } = this.getSnapshot();
        if (status === 'loading') return;
        stop();
        if (status === 'ready') resolve();
        else reject(new ParlorError('NOT_MEMBER', 'the conversation is no longer yours'));
      };
      this.timelineWanted = true;
      if (!this.viewing.open) this.context.syncer.want(this);
      check();
    });
  }

  // ---- doing ----

  /**
   * Sends: a text, or a drawing. It is among `pending` at once, and repeated until the server has decided. The promise ends
   * then: with the message, or with the refusal (which is in `pending` too).
   */
  send(content: string | Drawing, { replyTo }: SendOptions = {}): Promise<Message> {
    return this.post(typeof content === 'string' ? 'text' : 'drawing', content, replyTo);
  }

  /** Sends an image by the URL that `parlor.upload` gave. */
  sendImage(url: string, { replyTo }: SendOptions = {}): Promise<Message> {
    return this.post('image', url, replyTo);
  }

  private post(type: PendingMessage['type'], content: string | Drawing, replyTo: SendOptions['replyTo']): Promise<Message> {
    this.typist.forget();
    const replyToId = typeof replyTo === 'string' ? replyTo : (replyTo?.id ?? null);
    return this.context.outbox.send(this.id, { type, content, replyToId });
  }

  /** Tries a message that failed once more. */
  retry(clientId: string): void {
    this.context.outbox.retry(clientId);
  }

  /** Takes a message that failed, or that was not sent yet, off `pending`. */
  discard(clientId: string): void {
    this.context.outbox.discard(clientId);
  }

  /** Changes the text of an own message. */
  async edit(message: string | Message, content: string): Promise<Message> {
    const data = { conversationId: this.id, messageId: idOf(message), content };
    const answer = await this.context.connection.request('edit_message', data);
    this.timeline.offer(answer.message);
    return answer.message;
  }

  /** Deletes an own message, or anybody's as owner or admin. */
  async delete(message: string | Message): Promise<void> {
    await this.context.connection.request('delete_message', { conversationId: this.id, messageId: idOf(message) });
  }

  /** Reacts with an emoji of the server's set (`parlor.reactions`), or takes the reaction back. */
  async react(message: string | Message, emoji: string, on = true): Promise<Reaction[]> {
    const data = { conversationId: this.id, messageId: idOf(message), emoji };
    return (await this.context.connection.request(on ? 'add_reaction' : 'remove_reaction', data)).reactions;
  }

  /** Marks as read up to a message (or position); without one, up to the newest. Counts at once, and is told when it can be. */
  markRead(upTo?: Message | number): void {
    const seq = typeof upTo === 'number' ? upTo : (upTo?.seq ?? this.timeline.cursor ?? 0);
    if (seq <= this.unread.lastReadSeq) return;
    this.unread.readUpTo(seq);
    this.reader.mark(seq);
    this.touch();
  }

  /** To be called at every keystroke: the others see that the user types, until a pause or a sent message. */
  typing(): void {
    this.typist.keystroke();
  }

  /** The user has emptied the field. */
  stopTyping(): void {
    this.typist.stop();
  }

  // ---- who belongs to it ----

  /** Adds a user: owner and admins. */
  async addMember(userId: string): Promise<void> {
    await this.context.rest.post(`${this.path}/members`, { userId });
  }

  async removeMember(userId: string): Promise<void> {
    await this.context.rest.delete(`${this.path}/members/${encodeURIComponent(userId)}`);
  }

  /** Gives a member a role; `owner` passes the ownership on. */
  async setRole(userId: string, role: Role): Promise<void> {
    await this.context.rest.patch(`${this.path}/members/${encodeURIComponent(userId)}`, { role });
  }

  /** Leaves for good. */
  async leave(): Promise<void> {
    await this.context.rest.post(`${this.path}/leave`);
    this.end('left');
  }

  /** Changes name and policies: owner and admins. */
  async update(change: SettingsChange): Promise<ConversationView> {
    const { conversation } = await this.context.rest.patch<{ conversation: ConversationView }>(this.path, change);
    this.learn(conversation);
    return conversation;
  }

  /** Deletes the conversation: the owner. */
  async destroy(): Promise<void> {
    await this.context.rest.delete(this.path);
    this.end('deleted');
  }

  /** Makes a new invite code; the old one is void. */
  async renewInviteCode(): Promise<string> {
    const { inviteCode } = await this.context.rest.post<{ inviteCode: string }>(`${this.path}/invite-code`);
    this.overlay({ inviteCode });
    return inviteCode;
  }

  /** Nobody joins by invite code any more; not for rooms. */
  async removeInviteCode(): Promise<void> {
    await this.context.rest.delete(`${this.path}/invite-code`);
    this.overlay({ inviteCode: null });
  }

  /** Who has read a message, and when. */
  async receipts(message: string | Message): Promise<Receipt[]> {
    const path = `${this.path}/messages/${idOf(message)}/receipts`;
    return (await this.context.rest.get<{ readBy: Receipt[] }>(path)).readBy;
  }

  /** Asks the server anew for everything but the messages. */
  refresh(): Promise<void> {
    this.refreshing ??= this.context.rest
      .get<{ conversation: ConversationView; members: Member[] }>(this.path)
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

  private get path(): string {
    return `/api/conversations/${this.id}`;
  }

  // ---- what the server says; called by `parlor.ts`, `syncer.ts` and `view.ts` ----

  /** @internal */
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

  /** @internal What all members see alike changed. */
  overlay(shared: Partial<ConversationView>): void {
    if (!this.view) return;
    this.view = { ...this.view, ...shared, seq: Math.max(this.view.seq, shared.seq ?? 0) };
    this.touch();
  }

  /** @internal */
  change(change: Change): void {
    this.timeline.live(change);
    // A conversation of the list whose position is not known since the last connect.
    if (this.timeline.cursor === null && !this.timelineWanted) this.refreshSoon();
  }

  /** @internal */
  expire(expiredSeq: number): void {
    const exact = this.timeline.since(this.unread.lastReadSeq) !== undefined;
    this.timeline.expire(expiredSeq);
    if (!exact) this.refreshSoon();
  }

  /** @internal */
  read({ userId, lastReadSeq }: ServerEvents['message_read']): void {
    this.members.read(userId, lastReadSeq);
    if (userId === this.context.me()?.id) {
      if (!this.unread.readUpTo(lastReadSeq)) this.refreshSoon();
      this.touch();
    }
  }

  /** @internal */
  typed(typer: ServerEvents['user_typing'], typing: boolean): void {
    if (typer.userId === this.context.me()?.id) return; // on another device
    if (typing) this.typers.started(typer);
    else this.typers.stopped(typer.userId);
  }

  /** @internal */
  viewed(user: User, here: boolean): void {
    if (here) this.members.joined(user);
    else this.members.left(user.id);
  }

  /** @internal */
  memberChanged(user: User, belongs: boolean): void {
    if (belongs) this.members.added(user);
    else this.members.removed(user.id);
  }

  /** @internal */
  online(userId: string, online: boolean): void {
    this.members.online(userId, online);
  }

  /** @internal A new connection: whoever is open is opened there, whoever knows something catches up. */
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

  /** @internal The connection is gone. */
  disconnected(): void {
    this.typers.clear();
    this.members.clearViewers();
    this.typist.forget();
  }

  /** @internal */
  gone(): void {
    this.end('removed');
  }

  /** @internal It is no longer the user's. */
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

  /** @internal */
  get isRemoved(): boolean {
    return this.removed !== null;
  }

  /** @internal */
  get hasView(): boolean {
    return this.view !== null;
  }

  /** @internal The outbox has something else to show. */
  outboxChanged(): void {
    this.context.outbox.upTo(this.id, this.timeline.cursor ?? Infinity);
    this.touch();
  }

  // ---- catching up; called by `syncer.ts` and `view.ts` ----

  /** Whether its messages were ever asked for: then they are kept whole over reconnects. */
  private timelineWanted = false;

  /** @internal A join is under way, which catches up too. */
  asking = false;

  /** @internal */
  startCatchUp(): number {
    return this.timeline.startCatchUp();
  }

  /** @internal */
  page(page: SyncPage): boolean {
    const more = this.timeline.page(page);
    if (!more) this.caughtUp();
    return more;
  }

  /** @internal */
  abandonCatchUp(): void {
    this.timeline.abandonCatchUp();
  }

  /** @internal */
  startJoin(): { after?: number } | undefined {
    this.timelineWanted = true;
    // One sync under way for a conversation: a join beside it only opens the view.
    if (this.timeline.catchingUp) return undefined;
    this.context.syncer.forget(this);
    this.asking = true;
    const from = this.timeline.startCatchUp();
    return this.timeline.loaded && this.timeline.cursor !== null ? { after: from } : {};
  }

  /** @internal */
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

  /** @internal */
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
    const ready = this.timeline.loaded && this.timeline.cursor !== null;
    return {
      ...this.summaries.getSnapshot(),
      status: this.removed ? 'removed' : ready ? 'ready' : 'loading',
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

function idOf(message: string | Message): string {
  return typeof message === 'string' ? message : message.id;
}

function sameTypers(before: ConversationSummary['typers'] | undefined, after: ConversationSummary['typers']): ConversationSummary['typers'] {
  const names = (typers: ConversationSummary['typers']) => typers.map(({ userId }) => userId).join(' ');
  return before && names(before) === names(after) ? before : after;
}
