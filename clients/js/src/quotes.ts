// What a message shows of the one that it answers, kept in step with it: the server says a quote once, in its form of the
// moment; whoever learns of a newer form changes the quotes with it.
import type { Message } from './types.js';

/** As the server cuts previews: code points of a text. */
export const QUOTE_CHARS = 140;

/** `message` as it is when the one that it answers is `original`; the same object when that changes nothing. */
export function requote(message: Message, original: Message): Message {
  if (!message.replyTo || message.replyTo.id !== original.id) return message;
  if (original.deletedAt) return { ...message, replyTo: null };
  const quote = { ...message.replyTo, type: original.type, sender: original.sender, preview: preview(original) };
  const { replyTo } = message;
  const unchanged = quote.preview === replyTo.preview && quote.sender.displayName === replyTo.sender.displayName;
  return unchanged ? message : { ...message, replyTo: quote };
}

/** `message` once the one that it answers is gone for good. */
export function unquote(message: Message, upToSeq: number): Message {
  return message.replyTo && message.replyTo.seq <= upToSeq ? { ...message, replyTo: null } : message;
}

function preview({ type, content }: Message): string | null {
  if (typeof content !== 'string') return null;
  if (type === 'image') return content;
  return type === 'text' ? [...content].slice(0, QUOTE_CHARS).join('') : null;
}
