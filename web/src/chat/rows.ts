// The lines of a conversation: messages and what is on its way, each with what stands before it (a day, the line above what is
// unread) and whether it goes on what the line before it began. Pure.
import type { Message, PendingMessage, User } from '@parlor/client';
import { daysBetween } from '../ui/time.js';

/** Messages of one sender that follow each other within this time are one group. */
const GROUP_MS = 5 * 60_000;

export interface Line {
  /** Stays the same from sending to being there. */
  readonly key: string;
  readonly message: Message | null;
  readonly pending: PendingMessage | null;
  readonly createdAt: string;
  readonly own: boolean;
  /** It is the first of its day. */
  readonly newDay: boolean;
  /** It goes on the group of the line before: no face, no name. */
  readonly continues: boolean;
  /** The first unread one. */
  readonly firstUnread: boolean;
}

export interface What {
  messages: readonly Message[];
  /** Left out while newer messages are not here. */
  pending: readonly PendingMessage[];
  me: User | null;
  /** Everything of others behind this position was unread when the conversation was opened; null: no line for it. */
  unreadAfter: number | null;
}

export function linesOf({ messages, pending, me, unreadAfter }: What): Line[] {
  const lines: Line[] = [];
  const first = unreadAfter === null ? -1 : firstUnread(messages, unreadAfter, me?.id);
  let before: { at: string; sender: string; system: boolean } | null = null;
  const add = (
    key: string,
    message: Message | null,
    sending: PendingMessage | null,
    at: string,
    sender: string,
    divided: boolean,
    alone: boolean,
  ) => {
    const newDay = before === null || daysBetween(new Date(before.at), new Date(at)) > 0;
    const soon = before !== null && Date.parse(at) - Date.parse(before.at) < GROUP_MS;
    const continues = !newDay && !divided && !alone && soon && before !== null && !before.system && before.sender === sender;
    lines.push({ key, message, pending: sending, createdAt: at, own: sender === me?.id, newDay, continues, firstUnread: divided });
    before = { at, sender, system: message?.type === 'system' };
  };
  messages.forEach((message, at) => {
    const { createdAt, sender, type, replyTo } = message;
    add(message.clientId ?? message.id, message, null, createdAt, sender.id, at === first, type === 'system' || replyTo !== null);
  });
  for (const one of pending) add(one.clientId, null, one, one.createdAt, me?.id ?? '', false, one.replyToId !== null);
  return lines;
}

/** Where the first message of others behind a position stands; -1 when there is none. */
export function firstUnread(messages: readonly Message[], after: number, me: string | undefined): number {
  const counts = ({ seq, sender, type, deletedAt }: Message) => seq > after && sender.id !== me && type !== 'system' && !deletedAt;
  return messages.findIndex(counts);
}
