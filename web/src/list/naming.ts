// What conversations and messages are called where there is one line for them.
import type { ConversationView, Message, PendingMessage, SystemNote } from '@parlor/client';

export function titleOf(view: ConversationView | null): string {
  if (!view) return '…';
  if (view.kind === 'direct') return view.otherUser?.displayName ?? 'Somebody';
  return view.name ?? view.kind;
}

/** The text of a system message. */
export function noteOf({ content }: Pick<Message, 'content'>): string {
  const { text } = (content ?? {}) as Partial<SystemNote>;
  return typeof text === 'string' ? text : '';
}

/** What it says, in one line. */
export function gist(message: Pick<Message, 'type' | 'content' | 'deletedAt'> | Pick<PendingMessage, 'type' | 'content'>): string {
  if ('deletedAt' in message && message.deletedAt) return 'Message deleted';
  switch (message.type) {
    case 'image':
      return 'Image';
    case 'drawing':
      return 'Drawing';
    case 'system':
      return noteOf(message as Message);
    case 'text':
      return typeof message.content === 'string' ? message.content.replace(/\s+/g, ' ') : '';
  }
}

/** The same with who said it, as a list shows it. */
export function preview(message: Message | null, me: string | undefined, kind: string | undefined): string {
  if (!message) return 'No messages yet';
  if (message.type === 'system') return gist(message);
  if (message.sender.id === me) return `You: ${gist(message)}`;
  return kind === 'direct' ? gist(message) : `${message.sender.displayName}: ${gist(message)}`;
}
