// What a page shows of a conversation: plain values that stay the same objects until they change.
import type { PendingMessage } from './outbox.js';
import type { Typer } from './typing.js';
import type { ConversationView, Member, Message, User } from './types.js';

/** A conversation in a list. */
export interface ConversationSummary {
  readonly id: string;
  /** Kind, name, role, policies …; null until it was loaded. */
  readonly view: ConversationView | null;
  /** The newest message, deleted or not. */
  readonly lastMessage: Message | null;
  /** Unread messages of others, at most 10,000, and those among them that mention the user. */
  readonly unread: number;
  readonly mentions: number;
  readonly lastReadSeq: number;
  /** Who types; only while the conversation is open. */
  readonly typers: readonly Typer[];
}

/** A conversation as one looks at it. */
export interface ConversationSnapshot extends ConversationSummary {
  /** `loading` until the first messages are there; `removed` once it is no longer the user's. */
  readonly status: 'loading' | 'ready' | 'removed';
  readonly removedBecause: 'left' | 'removed' | 'deleted' | null;
  /** A stretch without a gap, oldest first: the newest, or the one that was jumped to. */
  readonly messages: readonly Message[];
  /** Own messages on their way, to be shown below the others while `hasNewer` is false. */
  readonly pending: readonly PendingMessage[];
  readonly hasOlder: boolean;
  readonly hasNewer: boolean;
  /** Longest-standing first; empty until the conversation was opened. */
  readonly members: readonly Member[];
  /** Members who were seen to open it, while it is open here. */
  readonly viewers: readonly User[];
}
