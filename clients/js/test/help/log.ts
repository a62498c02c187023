// A conversation as a server keeps it: positions without a gap, messages in their newest form, what `sync` and history answer.
// The truth that clients are compared with.
import type { ConversationView, HistoryPage, Member, Message, SyncPage, User } from '../../src/types.js';

export const user = (id: string): User => ({ id, name: id, displayName: id.toUpperCase(), avatarUrl: null });

export type Event = { event: string; data: { conversationId: string; seq: number } & Record<string, unknown> };

export class Log {
  seq = 0;
  expired = 0;
  /** By id, in the order of their sending. */
  messages = new Map<string, Message>();
  /** What was read: user → position. */
  reads = new Map<string, number>();

  constructor(
    readonly id: string,
    readonly members: string[],
    /** How many changes may be missed before everything is told anew, and how many messages that is. */
    private readonly bounds = { missed: 1000, newest: 50 },
  ) {}

  get list(): Message[] {
    return [...this.messages.values()];
  }

  post(sender: string, content: string, extra: Partial<Message> = {}): { message: Message; event?: Event } {
    const known = extra.clientId && this.list.find((m) => m.clientId === extra.clientId && m.sender.id === sender);
    if (known) return { message: known };
    const seq = ++this.seq;
    const original = extra.replyToId ? this.messages.get(extra.replyToId) : undefined;
    const message: Message = {
      id: `${this.id}-m${seq}`,
      conversationId: this.id,
      seq,
      changeSeq: seq,
      type: 'text',
      content,
      sender: user(sender),
      clientId: null,
      replyToId: null,
      mentions: [],
      reactions: [],
      createdAt: new Date(seq * 1000).toISOString(),
      editedAt: null,
      deletedAt: null,
      ...extra,
      replyTo: original && !original.deletedAt ? quote(original) : null,
    };
    this.messages.set(message.id, message);
    return { message, event: { event: 'new_message', data: { ...message } } };
  }

  edit(id: string, content: string): Event | undefined {
    return this.change(id, { content, editedAt: new Date(this.seq).toISOString() }, (message, seq) => ({
      event: 'message_edited',
      data: { conversationId: this.id, seq, message },
    }));
  }

  delete(id: string): Event | undefined {
    const deletedAt = new Date(this.seq).toISOString();
    const gone = { content: null, reactions: [], mentions: [], replyTo: null, deletedAt };
    return this.change(id, gone, (_, seq) => ({
      event: 'message_deleted',
      data: { conversationId: this.id, seq, messageId: id, deletedAt, deletedBy: 'bob' },
    }));
  }

  react(id: string, emoji: string, userId: string): Event | undefined {
    return this.change(id, { reactions: [{ emoji, userIds: [userId] }] }, ({ reactions }, seq) => ({
      event: 'reaction_updated',
      data: { conversationId: this.id, seq, messageId: id, reactions },
    }));
  }

  /** Retention removes everything up to here. */
  expire(seq: number): Event {
    this.expired = Math.max(this.expired, seq);
    for (const message of this.list) {
      if (message.seq <= this.expired) this.messages.delete(message.id);
      else if (message.replyTo && message.replyTo.seq <= this.expired) this.messages.set(message.id, { ...message, replyTo: null });
    }
    return { event: 'messages_expired', data: { conversationId: this.id, expiredSeq: this.expired } as never };
  }

  private change(id: string, to: Partial<Message>, event: (message: Message, seq: number) => Event): Event | undefined {
    const before = this.messages.get(id);
    if (!before || before.deletedAt) return undefined;
    const seq = ++this.seq;
    const message = { ...before, ...to, changeSeq: seq };
    this.messages.set(id, message);
    for (const other of this.list) {
      if (other.replyTo?.id === id) this.messages.set(other.id, { ...other, replyTo: message.deletedAt ? null : quote(message) });
    }
    return event(message, seq);
  }

  sync(after: number, limit: number): SyncPage {
    if (after > this.seq || this.seq - after > this.bounds.missed) {
      const messages = this.list.slice(-this.bounds.newest);
      return { messages, seq: this.seq, hasMore: false, reset: true, expiredSeq: this.expired };
    }
    const changed = this.list.filter((m) => m.changeSeq > after).sort((a, b) => a.changeSeq - b.changeSeq);
    const messages = changed.slice(0, limit);
    const hasMore = changed.length > limit;
    return { messages, seq: hasMore ? (messages.at(-1)?.changeSeq ?? after) : this.seq, hasMore, reset: false, expiredSeq: this.expired };
  }

  history(query: URLSearchParams): HistoryPage | undefined {
    const limit = Number(query.get('limit') ?? 50);
    const all = this.list;
    const at = (name: string) => all.findIndex(({ id }) => id === query.get(name));
    let [from, to] = [all.length - limit, all.length];
    if (query.has('before')) [from, to] = [at('before') - limit, at('before')];
    if (query.has('after')) [from, to] = [at('after') + 1, at('after') + 1 + limit];
    if (query.has('around')) [from, to] = [at('around') - Math.floor(limit / 2), at('around') + Math.ceil(limit / 2)];
    if (['before', 'after', 'around'].some((name) => query.has(name) && at(name) < 0)) return undefined;
    from = Math.max(from, 0);
    return { messages: all.slice(from, to), hasMore: from > 0, hasMoreAfter: to < all.length };
  }

  view(viewer: string): ConversationView {
    const lastReadSeq = this.reads.get(viewer) ?? 0;
    const unread = this.list.filter((m) => m.seq > lastReadSeq && m.sender.id !== viewer && !m.deletedAt && m.type !== 'system');
    const last = this.list.at(-1) ?? null;
    return {
      id: this.id,
      kind: 'group',
      name: this.id,
      role: 'member',
      memberCount: this.members.length,
      seq: this.seq,
      lastMessage: last,
      lastMessageAt: last?.createdAt ?? null,
      unreadCount: unread.length,
      mentionCount: unread.filter((m) => m.mentions.includes(viewer)).length,
      lastReadSeq,
      expiredSeq: this.expired,
      maxMembers: null,
      retentionSeconds: null,
      slowModeSeconds: null,
      hasPassword: false,
      createdAt: new Date(0).toISOString(),
    };
  }

  memberViews(): Member[] {
    return this.members.map((id) => ({ user: user(id), role: 'member', online: false, lastReadSeq: this.reads.get(id) ?? 0 }));
  }
}

function quote({ id, seq, type, sender, content }: Message): Message['replyTo'] {
  return { id, seq, type, sender, preview: typeof content === 'string' ? [...content].slice(0, 140).join('') : null };
}
