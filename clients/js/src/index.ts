// What `@parlor/client` offers. React's hooks are in `@parlor/client/react`.
export { Parlor, type NewConversation, type ParlorOptions } from './parlor.js';
export { login, logout, register, type Credentials } from './login.js';
export { Conversation, type SendOptions, type SettingsChange } from './conversation.js';
export type { ConversationSnapshot, ConversationSummary } from './snapshot.js';
export type { ConversationList, ConversationListSnapshot } from './list.js';
export type { ConnectionEvents, ConnectionState, WebSocketConstructor, WebSocketLike } from './connection.js';
export type { Reason } from './close.js';
export { ParlorError, type LocalCode } from './error.js';
export type { PendingMessage } from './outbox.js';
export type { OutboxStorage } from './storage.js';
export type { Presence as PresenceWatcher } from './presence.js';
export type { Admin, SearchOptions, Users } from './api.js';
export type { UploadOptions } from './upload.js';
export type { Unsubscribe } from './emitter.js';
export type { Readable } from './store.js';
export type { Typer } from './typing.js';
export type { GetToken } from './token.js';
export type {
  Channel,
  ChannelPage,
  ConnectedSession,
  Content,
  ConversationView,
  Drawing,
  ErrorCode,
  Found,
  Kind,
  Login,
  Member,
  Message,
  MessageType,
  NodeFigures,
  Presence,
  Quote,
  Reaction,
  Ready,
  Receipt,
  Requests,
  Role,
  SearchPage,
  ServerEvents,
  SystemNote,
  User,
  Version,
} from './types.js';
