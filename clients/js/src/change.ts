// A durable change of a conversation, as events tell it: each takes a position. `timeline.ts` applies them.
import type { Message, Reaction, ServerEvents } from './types.js';

export type Change =
  | { kind: 'message'; seq: number; message: Message }
  | { kind: 'deleted'; seq: number; messageId: string; deletedAt: string }
  | { kind: 'reactions'; seq: number; messageId: string; reactions: Reaction[] };

/** The events that have a position. */
export const DURABLE = ['new_message', 'message_edited', 'message_deleted', 'reaction_updated'] as const;
export type Durable = (typeof DURABLE)[number];

/** Of which conversation an event speaks, and what changed. */
export function read<Name extends Durable>(name: Name, data: ServerEvents[Name]): { conversationId: string; change: Change };
export function read(name: Durable, data: ServerEvents[Durable]): { conversationId: string; change: Change } {
  const { conversationId, seq } = data;
  return { conversationId, change: change(name, data, seq) };
}

function change(name: Durable, data: ServerEvents[Durable], seq: number): Change {
  switch (name) {
    case 'new_message':
      return { kind: 'message', seq, message: data as ServerEvents['new_message'] };
    case 'message_edited': {
      const { message } = data as ServerEvents['message_edited'];
      return { kind: 'message', seq, message: { ...message, changeSeq: Math.max(message.changeSeq, seq) } };
    }
    case 'message_deleted': {
      const { messageId, deletedAt } = data as ServerEvents['message_deleted'];
      return { kind: 'deleted', seq, messageId, deletedAt };
    }
    case 'reaction_updated': {
      const { messageId, reactions } = data as ServerEvents['reaction_updated'];
      return { kind: 'reactions', seq, messageId, reactions };
    }
  }
}

/** A message after a change of it. */
export function changed(message: Message, change: Change): Message {
  if (message.changeSeq >= change.seq) return message;
  switch (change.kind) {
    case 'message':
      return change.message;
    case 'deleted':
      return {
        ...message,
        changeSeq: change.seq,
        content: null,
        reactions: [],
        mentions: [],
        replyTo: null,
        deletedAt: change.deletedAt,
      };
    case 'reactions':
      return { ...message, changeSeq: change.seq, reactions: change.reactions };
  }
}
