// A conversation as an object: what one does in it, and what one sees of it (`state.ts` keeps that).
import type { Context } from './context.js';
import type { Unsubscribe } from './emitter.js';
import { ParlorError } from './error.js';
import { History } from './history.js';
import type { PendingMessage } from './outbox.js';
import type { ConversationSnapshot, ConversationSummary } from './snapshot.js';
import type { ConversationState } from './state.js';
import type { Readable } from './store.js';
import type { Timeline } from './timeline.js';
import type { ConversationView, Drawing, Member, Message, Reaction, Receipt, Role } from './types.js';

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

  private readonly history: History;
  private readonly timeline: Timeline;

  /** Made by `Parlor.conversation`, once for each id. */
  constructor(
    private readonly state: ConversationState,
    private readonly context: Context,
  ) {
    this.id = state.id;
    this.timeline = state.timeline;
    this.history = new History(context.rest, state.timeline, state.id);
  }

  // ---- looking ----

  /** What a list shows of it. */
  get summary(): Readable<ConversationSummary> {
    return this.state.summary;
  }

  /** What there is to see now. The same object until something changes. */
  readonly getSnapshot = (): ConversationSnapshot => this.state.getSnapshot();

  /** Tells the listener whenever `getSnapshot` would give something else. */
  readonly subscribe = (listener: () => void): Unsubscribe => this.state.subscribe(listener);

  /**
   * Shows it: loads the newest messages and the members, shows the user to the others as a viewer, and gets typing, until
   * what this returns is called. Messages come whether it is open or not.
   */
  open(): Unsubscribe {
    return this.state.viewing.hold();
  }

  /** A message that is here. */
  get(messageId: string): Message | undefined {
    return this.timeline.get(messageId);
  }

  /** The members who have read up to this message, beside its sender. */
  readBy(message: Message): Member[] {
    return this.state.members.list.filter(({ user, lastReadSeq }) => user.id !== message.sender.id && lastReadSeq >= message.seq);
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
    if (this.state.isReady) return;
    await new Promise<void>((resolve, reject) => {
      const stop = this.subscribe(() => check());
      const check = () => {
        const { status } = this.getSnapshot();
        if (status === 'loading') return;
        stop();
        if (status === 'ready') resolve();
        else reject(new ParlorError('NOT_MEMBER', 'the conversation is no longer yours'));
      };
      this.state.want();
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
    this.state.typist.forget();
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
    this.state.markRead(typeof upTo === 'number' ? upTo : (upTo?.seq ?? this.timeline.cursor ?? 0));
  }

  /** To be called at every keystroke: the others see that the user types, until a pause or a sent message. */
  typing(): void {
    this.state.typist.keystroke();
  }

  /** The user has emptied the field. */
  stopTyping(): void {
    this.state.typist.stop();
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
    this.state.end('left');
  }

  /** Changes name and policies: owner and admins. */
  async update(change: SettingsChange): Promise<ConversationView> {
    const { conversation } = await this.context.rest.patch<{ conversation: ConversationView }>(this.path, change);
    this.state.learn(conversation);
    return conversation;
  }

  /** Deletes the conversation: the owner. */
  async destroy(): Promise<void> {
    await this.context.rest.delete(this.path);
    this.state.end('deleted');
  }

  /** Makes a new invite code; the old one is void. */
  async renewInviteCode(): Promise<string> {
    const { inviteCode } = await this.context.rest.post<{ inviteCode: string }>(`${this.path}/invite-code`);
    this.state.overlay({ inviteCode });
    return inviteCode;
  }

  /** Nobody joins by invite code any more; not for rooms. */
  async removeInviteCode(): Promise<void> {
    await this.context.rest.delete(`${this.path}/invite-code`);
    this.state.overlay({ inviteCode: null });
  }

  /** Who has read a message, and when. */
  async receipts(message: string | Message): Promise<Receipt[]> {
    const path = `${this.path}/messages/${idOf(message)}/receipts`;
    return (await this.context.rest.get<{ readBy: Receipt[] }>(path)).readBy;
  }

  /** Asks the server anew for everything but the messages. */
  refresh(): Promise<void> {
    return this.state.refresh();
  }

  private get path(): string {
    return `/api/conversations/${this.id}`;
  }
}

function idOf(message: string | Message): string {
  return typeof message === 'string' ? message : message.id;
}
