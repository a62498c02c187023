// People and messages for tests.
import type { Message, PendingMessage, User } from '@parlor/client';

export function user(name: string, displayName = name): User {
  return { id: `id-${name}`, name, displayName, avatarUrl: null };
}

export function message(seq: number, sender: User, change: Partial<Message> = {}): Message {
  return {
    id: `m${seq}`,
    conversationId: 'c',
    seq,
    changeSeq: seq,
    type: 'text',
    content: `text ${seq}`,
    sender,
    clientId: null,
    replyToId: null,
    replyTo: null,
    mentions: [],
    reactions: [],
    createdAt: new Date(2026, 0, 10, 12, 0, seq).toISOString(),
    editedAt: null,
    deletedAt: null,
    ...change,
  };
}

export function pending(clientId: string, at: Date): PendingMessage {
  return {
    clientId,
    conversationId: 'c',
    type: 'text',
    content: 'on its way',
    replyToId: null,
    createdAt: at.toISOString(),
    status: 'sending',
    error: null,
    message: null,
  };
}
