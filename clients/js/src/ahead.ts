// What the protocol promises and the description that was generated last may not have yet. A line that the description has
// too counts for nothing (`types.ts` takes the generated one), and may go.
import type { components } from './generated/openapi.js';

type Schemas = components['schemas'];

interface Where {
  conversationId: string;
}

interface AboutMessage extends Where {
  messageId: string;
}

/** Events of the server. */
export interface AheadEvents {
  ready: {
    sessionId: string;
    nodeId: string;
    epoch: string;
    user: Schemas['User'];
    serverTime: string;
    heartbeatSeconds: number;
    limits: {
      frameBytes: number;
      textChars: number;
      presenceUsers: number;
      syncCursors: number;
      messagesPerSecond: number;
      eventsPerSecond: number;
    };
  };
  new_message: Schemas['Message'];
  message_edited: Where & { seq: number; message: Schemas['Message'] };
  message_deleted: AboutMessage & { seq: number; deletedAt: string; deletedBy: string };
  reaction_updated: AboutMessage & { seq: number; reactions: Schemas['Reaction'][] };
  messages_expired: Where & { expiredSeq: number };
  message_read: Where & { userId: string; lastReadSeq: number; readAt: string };
  user_typing: Where & { userId: string; displayName: string };
  user_stopped_typing: Where & { userId: string; displayName: string };
  user_online: { userId: string };
  user_offline: { userId: string; lastSeenAt: string };
  user_joined: Where & { user: Schemas['User'] };
  user_left: Where & { user: Schemas['User'] };
  conversation_created: { conversation: Schemas['ConversationView'] };
  conversation_updated: { conversation: SharedView };
  conversation_removed: Where & { reason: 'left' | 'removed' | 'deleted' };
  member_added: Where & { user: Schemas['User'] };
  member_removed: Where & { user: Schemas['User'] };
  token_expiring: { expiresAt: string };
  error: { code: Schemas['ErrorCode']; message: string; event?: string; retryAfterMs?: number };
}

type SharedView = Pick<Schemas['ConversationView'], 'id' | 'kind' | 'name' | 'memberCount' | 'seq' | 'createdAt'> &
  Schemas['Policies'];

/** A part of the answer to `sync`. */
interface SyncPage extends Where {
  messages: Schemas['Message'][];
  seq: number;
  hasMore: boolean;
  reset: boolean;
  expiredSeq?: number;
}

/** Requests of the client and the data of their answers. */
export interface AheadRequests {
  join_conversation: {
    data: Where & { after?: number };
    answer: {
      conversation: Schemas['ConversationView'];
      members: Schemas['MemberView'][];
      messages: Schemas['Message'][];
      seq: number;
      hasMore: boolean;
      reset?: boolean;
    };
  };
  leave_conversation: { data: Where; answer: object };
  send_message: {
    data: Where & { content: unknown; type?: string; clientId?: string; replyToId?: string };
    answer: { message: Schemas['Message'] };
  };
  edit_message: { data: AboutMessage & { content: string }; answer: { message: Schemas['Message'] } };
  delete_message: { data: AboutMessage; answer: { messageId: string; seq: number } };
  add_reaction: { data: AboutMessage & { emoji: string }; answer: { reactions: Schemas['Reaction'][] } };
  remove_reaction: { data: AboutMessage & { emoji: string }; answer: { reactions: Schemas['Reaction'][] } };
  mark_read: { data: Where & { seq?: number; messageId?: string }; answer: Schemas['ReadState'] };
  typing_start: { data: Where; answer: object };
  typing_stop: { data: Where; answer: object };
  get_presence: { data: { userIds: string[] }; answer: Schemas['PresenceList'] };
  sync: {
    data: { cursors: { conversationId: string; seq: number }[]; limit?: number };
    answer: { epoch: string; conversations: (SyncPage | (Where & { error: Schemas['ApiError'] }))[] };
  };
  authenticate: { data: { token: string }; answer: { expiresAt: string } };
}

/** Beside what `ready` is described to have. */
export interface AheadReady {
  /** The emoji that may be reacted with. */
  reactions?: string[];
}

/** Beside what a page is described to have. */
export interface AheadPage {
  expiredSeq?: number;
}

/** Beside what the answer to `mark_read` is described to have. */
export interface AheadReadState {
  mentionCount?: number;
}
