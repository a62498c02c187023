// The words of the protocol, as types: what the server describes (`generated/`), under names that one would type.
import type { Requests, ServerEvents } from './generated/asyncapi.js';
import type { components } from './generated/openapi.js';

type Schemas = components['schemas'];

export type User = Schemas['User'];
export type Message = Schemas['Message'];
export type MessageType = Schemas['MessageType'];
export type Content = Schemas['Content'];
export type Quote = Schemas['Quote'];
export type Reaction = Schemas['Reaction'];
export type ConversationView = Schemas['ConversationView'];
export type Kind = Schemas['Kind'];
export type Role = Schemas['Role'];
export type Member = Schemas['MemberView'];
export type Presence = Schemas['PresenceView'];
export type ErrorCode = Schemas['ErrorCode'];
export type ConnectedSession = Schemas['ConnectedSession'];
export type NodeFigures = Schemas['NodeFigures'];
export type Login = Schemas['LoggedIn'];
export type ReadState = Schemas['ReadState'];
export type HistoryPage = Schemas['HistoryPage'];
export type Receipt = Schemas['Receipt'];
export type Version = Schemas['Version'];
export type Channel = Schemas['ChannelView'];
export type ChannelPage = Schemas['ChannelList'];
export type Found = Schemas['FoundMessage'];
export type SearchPage = Schemas['SearchPage'];

export type { Requests, ServerEvents };
export type Ready = ServerEvents['ready'];


/** What catching up brings of one conversation. */
export interface SyncPage {
  messages: Message[];
  seq: number;
  hasMore: boolean;
  reset: boolean;
  /** Up to where retention has removed everything. */
  expiredSeq?: number;
}


/** The content of a drawing. */
export interface Drawing {
  operations: unknown[];
  width: number;
  height: number;
}

/** The content of a system message. */
export interface SystemNote {
  event: string;
  text: string;
  userId?: string;
  role?: Role;
  settings?: Record<string, unknown>;
}
